"""NVIDIA's tritonclient over gRPC."""

import json
import sys

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

OUTPUTS = ["raw_score", "prediction", "is_anomaly", "confidence"]


def matrix(rows):
    tensor = triton.InferInput("rows", list(rows.shape), "FP64")
    tensor.set_data_from_numpy(rows)
    return [tensor]


def columns(rows, names):
    tensors = []
    for name, values in zip(names, rows.T, strict=True):
        tensor = triton.InferInput(name, [len(rows)], "FP64")
        tensor.set_data_from_numpy(np.ascontiguousarray(values))
        tensors.append(tensor)
    return tensors


def scores(client, model, inputs):
    wanted = [triton.InferRequestedOutput(name) for name in OUTPUTS]
    answer = client.infer(model, inputs, outputs=wanted, request_id="a request")
    assert answer.get_response().id == "a request"
    return {name: answer.as_numpy(name).tolist() for name in OUTPUTS}


def main(given):
    rows, model = np.array(given["rows"]), given["model"]
    client = triton.InferenceServerClient(given["grpc_host"])
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(model)
    assert client.get_server_metadata().name
    assert client.get_model_metadata(model, as_json=True)["name"] == model
    found = {
        "one matrix": scores(client, model, matrix(rows)),
        "columns": scores(client, model, columns(rows, given["names"])),
    }
    for change, state in ((client.unload_model, "UNAVAILABLE"), (client.load_model, "READY")):
        change(model)
        index = client.get_model_repository_index().models
        assert (model, "1", state) in [(entry.name, entry.version, entry.state) for entry in index]
    return {"scores": found, "refusal": refusal(client, rows)}


def refusal(client, rows):
    try:
        client.infer("no-such-model", matrix(rows))
    except InferenceServerException as error:
        return error.message()
    return None


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
