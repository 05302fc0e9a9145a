"""NVIDIA's tritonclient with texts and missing numbers, over HTTP and gRPC."""

import json
import sys

import numpy as np
import tritonclient.grpc
import tritonclient.http

OUTPUTS = ["raw_score", "is_anomaly"]


def scores(kind, host, model, amounts, countries):
    number = kind.InferInput("amount", [len(amounts)], "FP64")
    number.set_data_from_numpy(amounts)
    text = kind.InferInput("country", [len(countries)], "BYTES")
    text.set_data_from_numpy(countries)
    wanted = [kind.InferRequestedOutput(name) for name in OUTPUTS]
    answer = kind.InferenceServerClient(host).infer(model, [number, text], outputs=wanted)
    return {name: answer.as_numpy(name).tolist() for name in OUTPUTS}


def main(given):
    rows = given["raw_rows"]
    amounts = np.array([np.nan if row["amount"] is None else row["amount"] for row in rows])
    countries = np.array([row["country"] or "" for row in rows], dtype=np.object_)
    asked = {"HTTP": (tritonclient.http, given["host"]), "gRPC": (tritonclient.grpc, given["grpc_host"])}
    return {
        "scores": {
            how: scores(kind, host, given["raw_model"], amounts, countries) for how, (kind, host) in asked.items()
        }
    }


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
