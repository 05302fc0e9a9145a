"""The bodies of predict requests, read strictly and fast.

msgspec reads what is right at once: typed, so that every value is a finite float; where that fails, once more with
values of every kind. What it refuses then is read slowly, to say in full what is wrong. It lets one thing pass, a key
given twice; that shows in the count of colons.
"""

import json
import math
from collections.abc import Callable
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import msgspec
from fastapi.exceptions import RequestValidationError
from msgspec import UNSET, Meta, Struct, UnsetType
from pydantic import BaseModel, ValidationError
from pynomaly_chassis.problems import Invalid, MalformedBody
from pynomaly_chassis.strict_json import unique_object
from pynomaly_contracts.predictions import BatchPredictRequest, PredictRequest

from model_service.errors import TooManyRows

_MAX_DIGITS = 400  # float64 ends at 309; Python refuses over 4,300
_Reference = Annotated[str, Meta(min_length=1, max_length=128)] | None | UnsetType
_Flag = bool | UnsetType
Numbers = dict[str, float] | list[float]
Value = float | str | bool | None
Values = dict[str, Value] | list[Value]
Data = TypeVar("Data")


class Asked(Struct, Generic[Data], forbid_unknown_fields=True):
    """What every request says beside its rows."""

    data: Data
    model_id: _Reference = UNSET
    version: _Reference = UNSET
    return_confidence: _Flag = UNSET
    return_explanation: _Flag = UNSET


class _Batch(Asked[Data], Generic[Data], forbid_unknown_fields=True):
    batch_size: Annotated[int, Meta(ge=1, le=100_000)] | UnsetType | None = UNSET


class Question(NamedTuple):
    """Rows to score. floats: every value is known to be a finite float. single: one row, not in a list."""

    rows: list[Any]
    model_ref: str | None
    version_ref: str | None
    confidence: bool
    explanation: bool
    floats: bool
    single: bool


_decode_floats = msgspec.json.Decoder(Asked[Numbers]).decode
_decode_values = msgspec.json.Decoder(Asked[Values]).decode
_decode_many_floats = msgspec.json.Decoder(_Batch[list[Numbers]]).decode
_decode_many_values = msgspec.json.Decoder(_Batch[list[Values]]).decode


def read_one(body: bytes) -> Question:
    """A PredictRequest. Raises MalformedBody (400), Invalid or RequestValidationError (422)."""
    try:
        parsed = _decode_floats(body)
    except (ValueError, RecursionError):
        return _read_values(body, _decode_values, single=True)
    if body.count(b":") != n_members_of(parsed) + n_keys(parsed.data):
        return _explain(body, single=True)
    return question_of(parsed, [parsed.data], floats=True, single=True)


def read_many(body: bytes, max_rows: int) -> Question:
    """A BatchPredictRequest. Raises as `read_one`, and TooManyRows (413)."""
    try:
        parsed = _decode_many_floats(body)
    except (ValueError, RecursionError):
        question = _read_values(body, _decode_many_values, single=False)
    else:
        n_members = n_members_of(parsed) + (parsed.batch_size is not UNSET)
        if body.count(b":") != n_members + sum(map(n_keys, parsed.data)):
            question = _explain(body, single=False)
        else:
            question = question_of(parsed, parsed.data, floats=True, single=False)
    check_count(len(question.rows), max_rows)
    return question


def _read_values(body: bytes, decode: Callable[[bytes], Asked[Any]], *, single: bool) -> Question:
    """Rows that are not all numbers. Texts hold colons, too; what an escape hides is not counted but read slowly."""
    try:
        parsed = decode(body)
    except (ValueError, RecursionError):
        return _explain(body, single=single)
    rows = [parsed.data] if single else parsed.data
    n_members = n_members_of(parsed) + (getattr(parsed, "batch_size", UNSET) is not UNSET)
    if b"\\" in body or body.count(b":") != n_members + sum(map(n_colons, rows)):
        return _explain(body, single=single)
    return question_of(parsed, rows, floats=False, single=single)


def check_count(n_rows: int, max_rows: int) -> None:
    """Raises Invalid, TooManyRows."""
    if n_rows == 0:
        raise Invalid.field("body.data", [], "send at least one row")
    if n_rows > max_rows:
        raise TooManyRows(f"{n_rows} rows; send at most {max_rows} at a time", max_rows=max_rows)


def question_of(parsed: Asked[Any], rows: list[Any], *, floats: bool, single: bool) -> Question:
    """The question in a parsed body whose keys are known to be given once."""
    return Question(
        rows,
        None if parsed.model_id is UNSET else parsed.model_id,
        None if parsed.version is UNSET else parsed.version,
        parsed.return_confidence is True,
        parsed.return_explanation is True,
        floats=floats,
        single=single,
    )


def n_members_of(parsed: Asked[Any]) -> int:
    """Of those that every request may have."""
    return (
        1
        + (parsed.model_id is not UNSET)
        + (parsed.version is not UNSET)
        + (parsed.return_confidence is not UNSET)
        + (parsed.return_explanation is not UNSET)
    )


def n_keys(row: Numbers | Values) -> int:
    """Of an object."""
    return len(row) if type(row) is dict else 0


def n_colons(row: Values) -> int:
    """Those that a row has in JSON."""
    texts = [text for text in (row.values() if isinstance(row, dict) else row) if type(text) is str]
    return n_keys(row) + sum(text.count(":") for text in texts)


def _explain(body: bytes, *, single: bool) -> Question:
    """Read with Python's own parser; raise what is wrong with all but the features, which need the model."""
    return explain(parse_json(body), single=single)


def explain(content: Any, *, single: bool) -> Question:
    """The question in parsed JSON. Raises Invalid, RequestValidationError."""
    contract: type[BaseModel] = PredictRequest if single else BatchPredictRequest
    stand_in: Any = [0.0] if single else [[0.0]]
    known = {**content, "data": stand_in} if isinstance(content, dict) and "data" in content else content
    try:
        request: Any = contract.model_validate(known, strict=True)
    except ValidationError as error:
        errors = [{**item, "loc": ("body", *item["loc"])} for item in error.errors(include_url=False)]
        raise RequestValidationError(errors) from error
    rows = _rows(content["data"], single=single)
    return Question(
        rows,
        request.model_id,
        request.version,
        request.return_confidence,
        request.return_explanation,
        floats=False,
        single=single,
    )


def _rows(given: Any, *, single: bool) -> list[Any]:
    if not single:
        if not isinstance(given, list):
            raise Invalid.field("body.data", given, "send a list of rows")
        return given
    if isinstance(given, list) and any(isinstance(item, dict | list) for item in given):
        raise Invalid.field("body.data", None, "send one row; many go to /api/v1/predict/batch")
    return [given]


def parse_json(body: bytes) -> Any:
    """The body as Python reads it; numbers that overflow are infinite. Raises MalformedBody."""
    try:
        return json.loads(
            body.decode(), object_pairs_hook=unique_object, parse_int=_integer, parse_constant=float, parse_float=float
        )
    except RecursionError as error:
        raise MalformedBody("the body is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise MalformedBody("the body is not UTF-8") from error
    except ValueError as error:
        raise MalformedBody(f"the body is not valid JSON: {error}") from error


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else math.copysign(math.inf, -1 if digits[0] == "-" else 1)
