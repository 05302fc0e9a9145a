"""KServe's InferenceRESTClient in its protocol v1, with texts and missing numbers."""

import asyncio
import json
import sys

from kserve import InferenceRESTClient
from kserve.inference_client import RESTConfig


async def main(given):
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    answer = await client.infer(given["url"], {"instances": given["raw_rows"]}, model_name=given["raw_model"])
    names = ("raw_score", "is_anomaly")
    return {"scores": {"v1": {name: [row[name] for row in answer["predictions"]] for name in names}}}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))
