"""MLServer's codecs for texts and for numbers of which some are missing."""

import json
import sys

import numpy as np
import requests
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


def main(given):
    rows = given["raw_rows"]
    amounts = np.array([np.nan if row["amount"] is None else row["amount"] for row in rows])
    amount = NumpyCodec.encode_input("amount", amounts)
    country = StringCodec.encode_input("country", [row["country"] for row in rows])
    request = InferenceRequest(inputs=[amount, country])
    url = f"{given['url']}/v2/models/{given['raw_model']}/infer"
    headers = {"content-type": "application/json"}
    answer = requests.post(url, data=request.model_dump_json(), headers=headers, timeout=30)
    assert answer.ok, answer.text
    outputs = InferenceResponse.model_validate(answer.json()).outputs
    return {"scores": {"codecs": {each.name: NumpyCodec.decode_output(each).ravel().tolist() for each in outputs}}}


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
