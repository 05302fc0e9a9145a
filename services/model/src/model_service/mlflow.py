"""MLflow's scoring protocol: rows as a frame in one of five forms in, {"predictions": [...]} out."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType
from pynomaly_chassis.problems import Invalid, ProblemError
from pynomaly_scoring import Rows
from starlette.responses import Response

from model_service.body import parse_json
from model_service.domain import Columns
from model_service.invocations import CONFIDENCE, MODEL, VERSION, Asked, Given, check_reference
from model_service.refusals import Sent, Wrong

SPLIT, RECORDS, INSTANCES, INPUTS, PARAMS = "dataframe_split", "dataframe_records", "instances", "inputs", "params"
FORMS = (SPLIT, RECORDS, INSTANCES, INPUTS)
# As MLflow's own exceptions have them, by status.
_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_CONFLICT",
    429: "REQUEST_LIMIT_EXCEEDED",
    499: "CANCELLED",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_Numbers = dict[str, float] | list[float]


class _Split(Struct):
    data: list[list[float]]
    columns: list[str] | UnsetType = UNSET
    index: list[int] | UnsetType = UNSET


class _Floats(Struct):
    dataframe_split: _Split | UnsetType = UNSET
    dataframe_records: list[dict[str, float]] | UnsetType = UNSET
    instances: list[_Numbers] | UnsetType = UNSET
    inputs: list[_Numbers] | dict[str, list[float]] | UnsetType = UNSET


class _Error(Struct):
    error_code: str
    message: str


class _Frame(NamedTuple):
    """n_rows of it, and how they become a model's."""

    n_rows: int
    rows_of: Callable[[Columns], Rows]


_decode_floats = msgspec.json.Decoder(_Floats).decode
_encode = msgspec.json.Encoder().encode


def error_response(error: ProblemError, _: str | None = None) -> Response:
    """An error as MLflow has it. What the request's fields are at fault for is a 400 here."""
    status = 400 if error.status == 422 else error.status
    code = _CODES.get(status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST")
    return Response(_encode(_Error(code, str(error))), status, dict(error.headers or {}), "application/json")


def read_json(body: bytes, _: int, *, asked: Asked) -> Given:
    """The rows of a request in JSON. `params` may say more than the query, `asked`. Raises MalformedBody, Invalid."""
    document, floats = _document(body)
    forms = [form for form in FORMS if form in document]
    if len(forms) != 1:
        raise Invalid(f"send exactly one of {', '.join(FORMS)}, not {', '.join(forms) or 'none of them'}")
    (form,) = forms
    frame = _FRAMES[form](document[form], floats)
    return Given(_asked(document.get(PARAMS), asked), frame.n_rows, frame.rows_of)


def _document(body: bytes) -> tuple[dict[str, Any], bool]:
    """The request, and whether all its values are known to be finite floats."""
    try:
        known = _decode_floats(body)
    except (ValueError, RecursionError):
        return _parsed(body), False
    given: dict[str, Any] = {name: value for name in FORMS if (value := getattr(known, name)) is not UNSET}
    # Another colon than the members': a key was given twice, or there are params.
    if body.count(b":") != len(given) + sum(map(_n_keys, given.values())):
        return _parsed(body), False
    if SPLIT in given:
        split = given[SPLIT]
        given[SPLIT] = {"data": split.data} | ({} if split.columns is UNSET else {"columns": split.columns})
    return given, True


def _n_keys(value: Any) -> int:
    if isinstance(value, _Split):
        return 1 + (value.columns is not UNSET) + (value.index is not UNSET)
    return len(value) if isinstance(value, dict) else sum(len(row) for row in value if type(row) is dict)


def _parsed(body: bytes) -> dict[str, Any]:
    document = parse_json(body)
    if not isinstance(document, dict):
        raise Invalid.field("body", None, f"send an object with one of {', '.join(FORMS)}")
    return document


def _asked(params: Any, asked: Asked) -> Asked:
    if params is None:
        return asked
    if not isinstance(params, dict):
        raise Invalid.field(PARAMS, None, "an object is expected")
    if unknown := sorted(params.keys() - {MODEL, VERSION, CONFIDENCE}):
        raise Invalid.field(f"{PARAMS}.{unknown[0][:128]}", None, f"there are {MODEL}, {VERSION} and {CONFIDENCE}")
    for name in (MODEL, VERSION):
        check_reference(f"{PARAMS}.{name}", params.get(name))
    confidence = params.get(CONFIDENCE, asked.confidence)
    if not isinstance(confidence, bool):
        raise Invalid.field(f"{PARAMS}.{CONFIDENCE}", None, "true or false")
    return Asked(params.get(MODEL) or asked.model_ref, params.get(VERSION) or asked.version_ref, confidence)


def _split(value: Any, floats: bool) -> _Frame:
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise Invalid.field(SPLIT, None, 'an object with "columns" and "data", a list of arrays, is expected')
    rows, names = value["data"], value.get("columns")
    if names is None:
        return _of_rows(rows, floats, f"{SPLIT}.data")
    is_names = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not is_names or len(set(names)) != len(names):
        raise Invalid.field(f"{SPLIT}.columns", None, "a list of names, each once, is expected")
    return _Frame(len(rows), lambda columns: columns.of_columns(_columns(rows, names), place=f"{SPLIT}.data"))


def _columns(rows: list[Any], names: list[str]) -> dict[str, tuple[Any, ...]]:
    """Raises RowsRefused where a row is not as long as there are names."""
    message = f"an array of {len(names)} values is expected, one per column"
    misshapen = (row for row, values in enumerate(rows) if not isinstance(values, list) or len(values) != len(names))
    Sent(f"{SPLIT}.data").refuse(Wrong(row, -1, "", None, message) for row in misshapen)
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _records(value: Any, floats: bool) -> _Frame:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise Invalid.field(RECORDS, None, "a list of objects is expected")
    return _of_rows(value, floats, RECORDS)


def _instances(value: Any, floats: bool) -> _Frame:
    return _of_rows(value, floats, INSTANCES)


def _inputs(value: Any, floats: bool) -> _Frame:
    """Rows; or columns by name; or one row by name."""
    if not isinstance(value, dict):
        return _of_rows(value, floats, INPUTS)
    if not any(isinstance(values, list) for values in value.values()):
        return _Frame(1, lambda columns: columns.of_rows([value], place=INPUTS, single=True))
    for name, values in value.items():
        if not isinstance(values, list):
            raise Invalid.field(f"{INPUTS}.{name[:128]}", None, "a list is expected, as for the other columns")
    return _Frame(max(map(len, value.values())), lambda columns: columns.of_columns(value, place=INPUTS))


def _of_rows(rows: Any, floats: bool, place: str) -> _Frame:
    if not isinstance(rows, list):
        raise Invalid.field(place, None, "a list of rows is expected")
    return _Frame(len(rows), lambda columns: columns.of_rows(rows, floats=floats, place=place))


_FRAMES: dict[str, Callable[[Any, bool], _Frame]] = {
    SPLIT: _split,
    RECORDS: _records,
    INSTANCES: _instances,
    INPUTS: _inputs,
}
