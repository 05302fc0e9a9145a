"""NVIDIA's tritonclient with asyncio, over HTTP and gRPC, many requests at once."""

import asyncio
import json
import sys

import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio

OUTPUTS = ["raw_score", "prediction", "is_anomaly", "confidence"]
N_AT_ONCE = 20


async def asked(kind, client, model, rows):
    """The first of many answers to the same question, all of them alike."""
    tensor = kind.InferInput("rows", list(rows.shape), "FP64")
    tensor.set_data_from_numpy(rows)
    wanted = [kind.InferRequestedOutput(name) for name in OUTPUTS]
    answers = await asyncio.gather(*(client.infer(model, [tensor], outputs=wanted) for _ in range(N_AT_ONCE)))
    found = [{name: answer.as_numpy(name).tolist() for name in OUTPUTS} for answer in answers]
    assert all(each == found[0] for each in found)
    return found[0]


async def main(given):
    rows, model = np.array(given["rows"]), given["model"]
    found = {}
    async with tritonclient.http.aio.InferenceServerClient(given["host"]) as client:
        assert await client.is_model_ready(model)
        found["HTTP"] = await asked(tritonclient.http, client, model, rows)
    async with tritonclient.grpc.aio.InferenceServerClient(given["grpc_host"]) as client:
        assert await client.is_model_ready(model)
        found["gRPC"] = await asked(tritonclient.grpc, client, model, rows)
    return {"scores": found}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
