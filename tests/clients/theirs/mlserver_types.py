"""MLServer's own types and codecs: requests made by its codecs, answers read by its types."""

import json
import sys

import numpy as np
import pandas as pd
import requests
from mlserver.codecs import NumpyCodec, NumpyRequestCodec, PandasCodec
from mlserver.types import (
    InferenceErrorResponse,
    InferenceResponse,
    MetadataModelResponse,
    MetadataServerResponse,
    RepositoryIndexResponse,
)


def infer(given, request):
    url = f"{given['url']}/v2/models/{given['model']}/infer"
    answer = requests.post(
        url, data=request.model_dump_json(), headers={"content-type": "application/json"}, timeout=30
    )
    answer.raise_for_status()
    outputs = InferenceResponse.model_validate(answer.json()).outputs
    return {output.name: NumpyCodec.decode_output(output).ravel().tolist() for output in outputs}


def main(given):
    rows = np.array(given["rows"])
    MetadataServerResponse.model_validate(requests.get(f"{given['url']}/v2", timeout=30).json())
    metadata = requests.get(f"{given['url']}/v2/models/{given['model']}", timeout=30).json()
    assert MetadataModelResponse.model_validate(metadata).name == given["model"]
    index = requests.post(f"{given['url']}/v2/repository/index", json={}, timeout=30).json()
    assert given["model"] in [entry.name for entry in RepositoryIndexResponse.model_validate(index).root]
    found = {
        "numpy codec": infer(given, NumpyRequestCodec.encode_request(rows)),
        "pandas codec": infer(given, PandasCodec.encode_request(pd.DataFrame(rows, columns=given["names"]))),
    }
    refused = requests.post(f"{given['url']}/v2/models/{given['model']}/infer", json={"inputs": []}, timeout=30)
    assert refused.status_code == 400
    return {"scores": found, "refusal": InferenceErrorResponse.model_validate(refused.json()).error}


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
