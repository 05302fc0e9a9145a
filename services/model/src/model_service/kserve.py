"""KServe's first protocol: {"instances": [row, ...]} in, {"predictions": [...]} out."""

from typing import Any

import msgspec
from pynomaly_chassis.problems import Invalid

from model_service.body import parse_json
from model_service.invocations import Asked, Given

INSTANCES = "instances"


class _Floats(msgspec.Struct):
    instances: list[dict[str, float] | list[float]]


_decode_floats = msgspec.json.Decoder(_Floats).decode


def read(body: bytes, _: int, *, asked: Asked) -> Given:
    """The rows of a request: objects of named features, or arrays in the model's order. Other members are ignored.

    Raises MalformedBody, Invalid.
    """
    rows, floats = _instances(body)
    return Given(asked, len(rows), lambda columns: columns.of_rows(rows, floats=floats, place=INSTANCES))


def _instances(body: bytes) -> tuple[list[Any], bool]:
    """The rows, and whether all their values are known to be finite floats."""
    try:
        rows = _decode_floats(body).instances
    except (ValueError, RecursionError):
        return _parsed(body), False
    # One colon more than there are members: a key was given twice, or nobody knows what.
    as_expected = body.count(b":") == 1 + sum(len(row) for row in rows if type(row) is dict)
    return (rows, True) if as_expected else (_parsed(body), False)


def _parsed(body: bytes) -> list[Any]:
    document = parse_json(body)
    if not isinstance(document, dict) or INSTANCES not in document:
        raise Invalid.field("body", None, 'send an object with "instances", a list of rows')
    rows = document[INSTANCES]
    if not isinstance(rows, list):
        raise Invalid.field(INSTANCES, None, "a list of rows is expected")
    return rows
