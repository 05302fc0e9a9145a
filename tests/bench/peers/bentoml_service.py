"""The forest as BentoML services: `bentoml serve bentoml_service:ForestService`, or with adaptive batching
`bentoml_service:BatchingService`. FOREST names the joblib file.
"""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service
class ForestService:
    def __init__(self) -> None:
        self.forest = joblib.load(os.environ["FOREST"])

    @bentoml.api
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.forest.predict(rows)


@bentoml.service
class BatchingService:
    def __init__(self) -> None:
        self.forest = joblib.load(os.environ["FOREST"])

    @bentoml.api(batchable=True)
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.forest.predict(rows)
