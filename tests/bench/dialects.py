"""How rows are asked about: the request formats of the peers and of the model service."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
JSON = "content-type: application/json\r\n"
MODEL = "bench"


@dataclass(frozen=True)
class Dialect:
    """body: rows and their columns' names to bytes. scores: an answer's bytes to one score per row."""

    path: str
    body: Callable[[Matrix, Sequence[str]], bytes]
    scores: Callable[[bytes], Vector]
    headers: str = JSON


def _encoded(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _tensor(rows: Matrix) -> dict[str, object]:
    return {"name": "rows", "shape": list(rows.shape), "datatype": "FP64"}


def _under(*path: str | int) -> Callable[[bytes], Vector]:
    """Scores that lie under some keys of a JSON answer."""

    def scores(answer: bytes) -> Vector:
        found = json.loads(answer)
        for key in path:
            found = found[key]
        return np.asarray(found, dtype=float).ravel()

    return scores


def _raw_scores(answer: bytes) -> Vector:
    return np.array([row["raw_score"] for row in json.loads(answer)["predictions"]])


MLSERVER = Dialect(
    "/v2/models/forest/infer",
    lambda rows, _: _encoded({"inputs": [{**_tensor(rows), "data": rows.ravel().tolist()}]}),
    _under("outputs", 0, "data"),
)
MLFLOW = Dialect(
    "/invocations",
    lambda rows, names: _encoded({"dataframe_split": {"columns": list(names), "data": rows.tolist()}}),
    _under("predictions"),
)
BENTOML = Dialect("/predict", lambda rows, _: _encoded({"rows": rows.tolist()}), _under())
KSERVE = Dialect(
    "/v1/models/forest:predict", lambda rows, _: _encoded({"instances": rows.tolist()}), _under("predictions")
)


def ours_one(model: str) -> Dialect:
    """One row as an object of named features; with confidence, as all of ours."""
    return Dialect(
        "/api/v1/predict",
        lambda rows, names: _encoded({"data": dict(zip(names, rows[0].tolist(), strict=True)), **_asked(model)}),
        _under("raw_score"),
    )


def _asked(model: str) -> dict[str, object]:
    return {"model_id": model, "return_confidence": True}


OURS_ONE = ours_one(MODEL)
OURS_MANY = Dialect(
    "/api/v1/predict/batch", lambda rows, _: _encoded({"data": rows.tolist(), **_asked(MODEL)}), _raw_scores
)
OURS_NAMED = Dialect(
    "/api/v1/predict/batch",
    lambda rows, names: _encoded(
        {"data": [dict(zip(names, row, strict=True)) for row in rows.tolist()], **_asked(MODEL)}
    ),
    _raw_scores,
)
