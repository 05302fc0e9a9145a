"""NVIDIA's tritonclient over HTTP: tensors as JSON and as binary, one matrix and one tensor per column."""

import json
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

OUTPUTS = ["raw_score", "prediction", "is_anomaly", "confidence"]


def matrix(rows, binary):
    tensor = triton.InferInput("rows", list(rows.shape), "FP64")
    tensor.set_data_from_numpy(rows, binary_data=binary)
    return [tensor]


def columns(rows, names, binary):
    tensors = []
    for name, values in zip(names, rows.T, strict=True):
        tensor = triton.InferInput(name, [len(rows)], "FP64")
        tensor.set_data_from_numpy(np.ascontiguousarray(values), binary_data=binary)
        tensors.append(tensor)
    return tensors


def scores(client, model, inputs, binary):
    wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in OUTPUTS]
    answer = client.infer(model, inputs, outputs=wanted, request_id="a request")
    assert answer.get_response()["id"] == "a request"
    return {name: answer.as_numpy(name).tolist() for name in OUTPUTS}


def main(given):
    rows, model = np.array(given["rows"]), given["model"]
    client = triton.InferenceServerClient(given["host"])
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(model)
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert client.get_model_metadata(model)["name"] == model
    found = {}
    for binary, how in ((False, "JSON"), (True, "binary")):
        found[f"one matrix as {how}"] = scores(client, model, matrix(rows, binary), binary)
        found[f"columns as {how}"] = scores(client, model, columns(rows, given["names"], binary), binary)
    found["usual outputs"] = usual(client.infer(model, matrix(rows, binary=True)))
    for change, state in ((client.unload_model, "UNAVAILABLE"), (client.load_model, "READY")):
        change(model)
        assert {"name": model, "version": "1", "state": state} in without_reasons(client.get_model_repository_index())
    return {"scores": found, "refusal": refusal(client, rows)}


def without_reasons(index):
    return [{key: entry[key] for key in ("name", "version", "state")} for entry in index]


def usual(answer):
    """What is answered where no outputs are named."""
    names = [output["name"] for output in answer.get_response()["outputs"]]
    return {name: answer.as_numpy(name).tolist() for name in names}


def refusal(client, rows):
    try:
        client.infer("no-such-model", matrix(rows, binary=True))
    except InferenceServerException as error:
        return error.message()
    return None


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
