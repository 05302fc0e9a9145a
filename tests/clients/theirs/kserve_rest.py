"""KServe's InferenceRESTClient, in its protocols v2 (JSON and binary tensors) and v1, and InferenceGRPCClient."""

import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

OUTPUTS = ["raw_score", "prediction", "is_anomaly", "confidence"]


def request(model, rows, binary):
    tensor = InferInput("rows", list(rows.shape), "FP64")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    wanted = [RequestedOutput(name, {"binary_data": binary}) for name in OUTPUTS]
    return InferRequest(model, [tensor], request_outputs=wanted)


def scores(answer):
    return {output.name: output.as_numpy().tolist() for output in answer.outputs}


async def second(given, rows):
    """Protocol v2."""
    url, model, found = given["url"], given["model"], {}
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, model)
    for binary, how in ((False, "JSON"), (True, "binary")):
        answer = await client.infer(url, request(model, rows, binary), model_name=model)
        found[f"v2 as {how}"] = scores(answer)
    refusal = None
    try:
        await client.infer(url, request("no-such-model", rows, False), model_name="no-such-model")
    except httpx.HTTPStatusError as error:
        refusal = str(error)
    return found, refusal


async def first(given, rows):
    """Protocol v1: instances in, predictions out."""
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    assert await client.is_model_ready(given["url"], given["model"])
    as_arrays = {"instances": rows.tolist()}
    as_objects = {"instances": [dict(zip(given["names"], row, strict=True)) for row in rows.tolist()]}
    asked = {"v1 arrays": as_arrays, "v1 objects": as_objects}
    return {
        how: (await client.infer(given["url"], body, model_name=given["model"]))["predictions"]
        for how, body in asked.items()
    }


async def by_grpc(given, rows):
    async with InferenceGRPCClient(given["grpc_host"]) as client:
        assert await client.is_server_ready()
        assert await client.is_model_ready(given["model"])
        return scores(await client.infer(request(given["model"], rows, True)))


async def main(given):
    rows = np.array(given["rows"])
    found, refusal = await second(given, rows)
    return {
        "scores": {**found, "gRPC": await by_grpc(given, rows)},
        "predictions": await first(given, rows),
        "refusal": refusal,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
