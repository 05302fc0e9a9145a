"""The forest under KServe's model server: python kserve_server.py FOREST.joblib --http_port N ..."""

import argparse

import joblib
import kserve
import numpy as np
from kserve.model_server import parser as server_parser


class Forest(kserve.Model):
    def __init__(self, path: str) -> None:
        super().__init__("forest")
        self.path = path
        self.load()

    def load(self) -> bool:
        self.forest = joblib.load(self.path)
        self.ready = True
        return self.ready

    def predict(self, payload, headers=None, response_headers=None):
        return {"predictions": self.forest.predict(np.array(payload["instances"])).tolist()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(parents=[server_parser])
    parser.add_argument("--forest", required=True)
    options = parser.parse_args()
    kserve.ModelServer(workers=options.workers).start([Forest(options.forest)])
