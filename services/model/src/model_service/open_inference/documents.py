"""The protocol's JSON objects, for the API's own description."""

from typing import Any, Literal

from pydantic import BaseModel, Field
from pynomaly_chassis.inline_schema import inline_schema

from model_service.open_inference.rest import HEADER_LENGTH, JSON, OCTETS
from model_service.open_inference.tensors import DATATYPES

Parameters = dict[str, Any]
_Datatype = Field(examples=["FP64"], description=f"One of {', '.join(DATATYPES)}.")


class Failure(BaseModel):
    """Every error of the protocol."""

    error: str


class Liveness(BaseModel):
    """The process runs."""

    live: bool


class Readiness(BaseModel):
    """Inference can be asked for."""

    ready: bool


class ModelReadiness(BaseModel):
    """An inference with this model would be answered."""

    name: str
    ready: bool


class ServerMetadata(BaseModel):
    """The server."""

    name: str
    version: str
    extensions: list[str]


class TensorMetadata(BaseModel):
    """A tensor that a model takes or gives. A dimension of -1 varies."""

    name: str
    datatype: str = _Datatype
    shape: list[int]


class ModelMetadata(BaseModel):
    """A model. Its columns are its inputs."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class InputTensor(BaseModel):
    """A column, [n_rows] or [n_rows, 1], by its name; or, of a model of numbers, all of them, [n_rows, n_columns]."""

    name: str = Field(examples=["rows"])
    shape: list[int] = Field(min_length=1, max_length=2, examples=[[1, 3]])
    datatype: str = _Datatype
    parameters: Parameters | None = None
    data: list[Any] | None = Field(default=None, examples=[[0.73, 0.0006, 0.015]])


class RequestedOutput(BaseModel):
    """raw_score, prediction, is_anomaly or confidence."""

    name: str
    parameters: Parameters | None = None


class InferenceRequest(BaseModel):
    """Without outputs: all but confidence, which the parameter {"confidence": true} adds."""

    id: str | None = None
    parameters: Parameters | None = None
    inputs: list[InputTensor]
    outputs: list[RequestedOutput] | None = None


class OutputTensor(BaseModel):
    """One value per row. data, or, where it is binary, parameters.binary_data_size."""

    name: str
    datatype: str
    shape: list[int]
    parameters: Parameters | None = None
    data: list[float] | list[bool] | None = None


class InferenceAnswer(BaseModel):
    """parameters: `threshold`, the raw_score above which a row is an anomaly."""

    model_name: str
    model_version: str
    id: str | None = None
    parameters: Parameters
    outputs: list[OutputTensor]


class IndexItem(BaseModel):
    """A version. READY: in memory; otherwise the first request brings it there."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


def _content(kind: type[BaseModel]) -> dict[str, Any]:
    return {JSON: {"schema": inline_schema(kind)}}


_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request is at fault.", "content": _content(Failure)},
    "5XX": {"description": "The server is at fault.", "content": _content(Failure)},
}
_HEADER_LENGTH: dict[str, Any] = {
    "in": "header",
    "name": HEADER_LENGTH,
    "required": False,
    "schema": {"type": "integer", "minimum": 0},
    "description": "How many bytes of the body are JSON; binary tensors follow it.",
}


def infer_with(*path: str) -> dict[str, Any]:
    """What the description says of a route to infer. path: the names in its path."""
    reference = {"type": "string", "maxLength": 128}
    named = [{"in": "path", "name": name, "required": True, "schema": reference} for name in path]
    body = {"required": True, "content": {**_content(InferenceRequest), OCTETS: _BINARY}}
    return {"requestBody": body, "parameters": [*named, _HEADER_LENGTH]}


INFERRED: dict[int | str, dict[str, Any]] = {200: {"content": {OCTETS: _BINARY}}}
