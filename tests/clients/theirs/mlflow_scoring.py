"""MLflow's own scoring client: frames, arrays, and each of the ways in which rows are written for it."""

import json
import sys

import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient


def main(given):
    client = ScoringServerClient(given["hostname"], given["port"])
    client.wait_server_ready(timeout=10)
    assert client.get_version()
    frame = pd.DataFrame(given["rows"], columns=given["names"])
    asked = {
        "a frame": frame,
        "an array": frame.to_numpy(),
        "dataframe_records": json.dumps({"dataframe_records": frame.to_dict(orient="records")}),
        "inputs by name": json.dumps({"inputs": frame.to_dict(orient="list")}),
        "instances": json.dumps({"instances": frame.to_numpy().tolist()}),
    }
    found = {how: client.invoke(rows).get_predictions().to_dict(orient="list") for how, rows in asked.items()}
    raw = client.invoke(pd.DataFrame(given["raw_rows"]), params={"model_id": given["raw_model"]})
    return {
        "raw": raw.get_predictions().to_dict(orient="list"),
        "predictions": found,
        "refusal": refusal(client, frame),
    }


def refusal(client, frame):
    try:
        client.invoke(frame.assign(**{frame.columns[0]: "no number"}))
    except Exception as error:  # the client raises no narrower one
        return str(error)
    return None


if __name__ == "__main__":
    print(json.dumps(main(json.load(sys.stdin))))
