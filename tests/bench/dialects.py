"""How rows are asked about: the request formats of the peers and of the model service."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
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


_HEADER_BYTES = 512  # JSON may end in blanks: a header of one length for all requests
_ARROW = "application/vnd.apache.arrow.stream"


def _tensor_body(rows: Matrix, _: Sequence[str]) -> bytes:
    size = {"binary_data_size": rows.nbytes}
    outputs = {"binary_data_output": True}
    header = _encoded({"inputs": [{**_tensor(rows), "parameters": size}], "parameters": outputs})
    return header.ljust(_HEADER_BYTES) + rows.tobytes()


def _tensor_scores(answer: bytes) -> Vector:
    """The first output's part of what follows the JSON, whose length only a header tells: up to where it ends."""
    header, length = json.JSONDecoder().raw_decode(answer.decode("latin-1"))
    place = length
    for output in header["outputs"]:
        size = output["parameters"]["binary_data_size"]
        if output["name"] == "raw_score":
            return np.frombuffer(answer[place : place + size])
        place += size
    raise KeyError("raw_score")


OURS_TENSOR = Dialect(
    f"/v2/models/{MODEL}/infer",
    _tensor_body,
    _tensor_scores,
    f"content-type: application/octet-stream\r\ninference-header-content-length: {_HEADER_BYTES}\r\n",
)


def _arrow_body(rows: Matrix, names: Sequence[str]) -> bytes:
    table = pa.table(dict(zip(names, rows.T, strict=True)))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _arrow_scores(answer: bytes) -> Vector:
    found: Vector = pa.ipc.open_stream(answer).read_all()["raw_score"].to_numpy()
    return found


OURS_ARROW = Dialect(
    f"/api/v1/predict/batch?model_id={MODEL}",
    _arrow_body,
    _arrow_scores,
    f"content-type: {_ARROW}\r\naccept: {_ARROW}\r\n",
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
