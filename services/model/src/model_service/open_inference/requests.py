"""Inference requests over REST: JSON, and the binary tensors that may follow it."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType
from pynomaly_chassis.problems import Invalid, MalformedBody
from pynomaly_chassis.strict_json import unique_object

from model_service.open_inference.tensors import Tensor, TensorInvalid, from_binary, from_json

Parameters = Mapping[str, Any]
_GivenParameters = dict[str, Any] | None | UnsetType


class WantedOutput(NamedTuple):
    """An output that is asked for by name."""

    name: str
    binary: bool


class InferRequest(NamedTuple):
    """model, version: references. outputs: None, the usual ones. binary: whether those are binary."""

    model: str
    version: str | None
    id: str | None
    parameters: Parameters
    inputs: list[Tensor]
    outputs: list[WantedOutput] | None
    binary: bool


class _Input(Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: _GivenParameters = UNSET
    data: msgspec.Raw | UnsetType = UNSET


class _Output(Struct):
    name: str
    parameters: _GivenParameters = UNSET


class _Request(Struct):
    """Members that nobody knows are left alone: extensions bring some."""

    inputs: list[_Input]
    id: str | UnsetType | None = UNSET
    parameters: _GivenParameters = UNSET
    outputs: list[_Output] | UnsetType | None = UNSET
    model_name: str | UnsetType | None = UNSET
    model_version: str | UnsetType | None = UNSET


_decode = msgspec.json.Decoder(_Request).decode
# What would be answered wrongly if it were left alone.
_NOT_OFFERED = {"shared_memory_region": "shared memory", "classification": "classification"}


def read_request(model: str, version: str | None, document: bytes, binary: memoryview) -> InferRequest:
    """The request that is the JSON `document`, its tensors unread; binary: all that followed it.

    model, version: what its path names.
    Raises MalformedBody, Invalid, TensorInvalid.
    """
    given = _parse(document)
    parameters = _given(given.parameters)
    all_binary = _flag(parameters, "binary_data_output", "the request")
    outputs = [_wanted(output, all_binary) for output in given.outputs or ()]
    return InferRequest(
        model, version, given.id or None, parameters, _tensors(given.inputs, binary), outputs or None, all_binary
    )


def _parse(document: bytes) -> _Request:
    try:
        given = _decode(document)
        if _has_more_keys(document, given):
            _refuse_twins(document)
    except msgspec.ValidationError as error:
        raise Invalid(f"the request is not valid: {error}") from error
    except RecursionError as error:
        raise MalformedBody("the body is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedBody(f"the body is not valid JSON: {error}") from error
    return given


def _has_more_keys(document: bytes, given: _Request) -> bool:
    """Whether the count of colons leaves room for a key that was given twice: of two, the parser keeps the last."""
    more = document.count(b":") - _n_members(given)
    if more:
        more -= sum(bytes(item.data).count(b":") for item in given.inputs if item.data is not UNSET)
    return more != 0


def _n_members(given: Struct) -> int:
    """Of this object and those that it is made of."""
    n_members = 0
    for name in given.__struct_fields__:
        value = getattr(given, name)
        if value is UNSET:
            continue
        n_members += 1
        if type(value) is list:
            n_members += sum(_n_members(item) for item in value if isinstance(item, Struct))
        elif type(value) is dict:
            n_members += len(value)
    return n_members


def _refuse_twins(document: bytes) -> None:
    """Python's own parser, which shows every member. Its numbers are not wanted."""
    json.loads(document, object_pairs_hook=unique_object, parse_int=len, parse_float=len)


def _given(parameters: Any) -> Parameters:
    return parameters or {}


def _flag(parameters: Parameters, name: str, of: str) -> bool:
    value = parameters.get(name, False)
    if not isinstance(value, bool):
        raise Invalid(f"{of}: the parameter {name} must be true or false")
    return value


def _wanted(output: _Output, all_binary: bool) -> WantedOutput:
    parameters = _given(output.parameters)
    of = f"output {output.name[:128]!r}"
    refuse_unoffered(parameters, of)
    return WantedOutput(
        output.name, _flag(parameters, "binary_data", of) if "binary_data" in parameters else all_binary
    )


def _tensors(inputs: list[_Input], binary: memoryview) -> list[Tensor]:
    tensors, place = [], 0
    for given in inputs:
        parameters = _given(given.parameters)
        of = f"input {given.name[:128]!r}"
        refuse_unoffered(parameters, of)
        if "binary_data_size" not in parameters:
            if given.data is UNSET:
                raise TensorInvalid(f"{of} has neither data nor binary_data_size")
            read = partial(from_json, given.data)
        else:
            content = _part(binary, place, parameters["binary_data_size"], of)
            if given.data is not UNSET:
                raise TensorInvalid(f"{of} has both data and binary_data_size")
            place += len(content)
            read = partial(from_binary, content)
        tensors.append(Tensor.checked(given.name, given.datatype, given.shape, read))
    if place != len(binary):
        raise TensorInvalid(f"{len(binary) - place} bytes follow the JSON that no input claims")
    return tensors


def _part(binary: memoryview, place: int, size: Any, of: str) -> memoryview:
    if type(size) is not int or size < 0:
        raise TensorInvalid(f"{of}: binary_data_size must be a whole number, not negative")
    if size > len(binary) - place:
        raise TensorInvalid(
            f"{of}: binary_data_size is {size}, and {len(binary) - place} bytes are left after the JSON"
        )
    return binary[place : place + size]


def refuse_unoffered(parameters: Parameters, of: str) -> None:
    """Raises Invalid. of: what has the parameters."""
    for name, what in _NOT_OFFERED.items():
        if name in parameters:
            raise Invalid(f"{of}: {what} is not offered here; leave the parameter {name} out")
