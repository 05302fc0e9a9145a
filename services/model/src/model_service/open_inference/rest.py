"""The protocol's bodies over REST: JSON, and binary tensors after it."""

from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, Struct, UnsetType
from pynomaly_chassis.problems import MalformedBody, ProblemError
from starlette.responses import Response

from model_service.open_inference.infer import Inference, Output
from model_service.open_inference.requests import InferRequest, read_request
from model_service.open_inference.tensors import to_binary

JSON, OCTETS = "application/json", "application/octet-stream"
HEADER_LENGTH = "inference-header-content-length"
_ALIGNMENT = 8  # bytes, of FP64
_MAX_DIGITS = 18


class _Output(Struct, omit_defaults=True):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, int] | UnsetType = UNSET
    data: list[Any] | UnsetType = UNSET


class _Answer(Struct, omit_defaults=True):
    model_name: str
    model_version: str
    id: str | UnsetType
    parameters: dict[str, float]
    outputs: list[_Output]


class _Error(Struct):
    error: str


_encode = msgspec.json.Encoder().encode


class Body(NamedTuple):
    """An answer's body. n_json: the length of its JSON, where something follows that."""

    content: bytes
    n_json: int | None


def render(inference: Inference) -> Body:
    """The answer, its binary tensors in their order after the JSON."""
    tensors = [to_binary(output.array) if output.binary else None for output in inference.outputs]
    document = _encode(
        _Answer(
            inference.model.name,
            inference.model.number,
            UNSET if inference.id is None else inference.id,
            {"threshold": inference.model.threshold},
            list(map(_output, inference.outputs, tensors)),
        )
    )
    following = [tensor for tensor in tensors if tensor is not None]
    return Body(b"".join((document, *following)), len(document)) if following else Body(document, None)


def error_response(error: ProblemError, _: str | None = None) -> Response:
    """An error as the protocol has it. What the request's fields are at fault for is a 400 here."""
    status = 400 if error.status == 422 else error.status
    return Response(_encode(_Error(str(error))), status, dict(error.headers or {}), JSON)


def header_length(value: str | None) -> int | None:
    """How long the JSON is that binary tensors follow, by the header; None where none do. Raises MalformedBody."""
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS):
        raise MalformedBody(f"{HEADER_LENGTH} is {value[:32]!r}, and must be a whole number of bytes")
    return int(value)


def read(model: str, version: str | None, pieces: list[bytes], n_json: int | None) -> InferRequest:
    """The request in a body that came in pieces, which are let go. What follows its JSON begins where a FP64 may.

    n_json: as the header says. Raises MalformedBody, Invalid, TensorInvalid.
    """
    if n_json is None:
        whole = b"".join(pieces)
        pieces.clear()
        return read_request(model, version, whole, memoryview(b""))
    n_bytes = sum(map(len, pieces))
    if n_json > n_bytes:
        raise MalformedBody(f"{HEADER_LENGTH} is {n_json}, and the body has {n_bytes} bytes")
    aligned = memoryview(np.empty(n_bytes + _ALIGNMENT, np.uint8).data)[-n_json % _ALIGNMENT :][:n_bytes]
    place = 0
    for piece in pieces:
        aligned[place : place + len(piece)] = piece
        place += len(piece)
    pieces.clear()
    return read_request(model, version, bytes(aligned[:n_json]), aligned[n_json:])


def _output(output: Output, tensor: memoryview | None) -> _Output:
    shape = [len(output.array)]
    if tensor is None:
        return _Output(output.name, output.datatype, shape, data=output.array.tolist())
    return _Output(output.name, output.datatype, shape, {"binary_data_size": tensor.nbytes})
