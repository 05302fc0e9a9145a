"""The messages of a stream: each is a request with an id of its sender's, which its answer has too."""

from typing import Annotated, Any

import msgspec
import orjson
from msgspec import UNSET, Meta, UnsetType
from pynomaly_chassis.problems import Invalid, ProblemError, problem_response
from pynomaly_contracts.problems import carried
from pynomaly_scoring import Scores

from model_service.answers import render_many, render_one
from model_service.body import (
    Asked,
    Numbers,
    Question,
    Values,
    check_count,
    explain,
    n_colons,
    n_keys,
    n_members_of,
    parse_json,
    question_of,
)
from model_service.runtime import ServedModel

_MAX_ID = 128  # characters
_LEAST, _MOST = -(2**63), 2**63 - 1  # what JSON is written with here takes little more
Id = Annotated[str, Meta(max_length=_MAX_ID)] | Annotated[int, Meta(ge=_LEAST, le=_MOST)]
_Numbers = dict[str, float] | list[float | Numbers]
_Value = float | str | bool | None
_Values = dict[str, _Value] | list[_Value | Values]


class _Floats(Asked[_Numbers], forbid_unknown_fields=True):
    id: Id | UnsetType | None = UNSET


class _Mixed(Asked[_Values], forbid_unknown_fields=True):
    id: Id | UnsetType | None = UNSET


_decode_floats = msgspec.json.Decoder(_Floats).decode
_decode_values = msgspec.json.Decoder(_Mixed).decode


class StreamMessage:
    """One message: reads itself and writes its answer, or why it has none."""

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._id: Id | None = None
        self._single = True

    def read(self, body: bytes) -> Question:
        """A StreamRequest. Raises MalformedBody, Invalid, RequestValidationError, TooManyRows."""
        question = self._read_floats(body) or self._read_values(body) or self._read_slowly(body)
        self._single = question.single
        check_count(len(question.rows), self._max_rows)
        return question

    def render(self, model: ServedModel, scores: Scores, elapsed_s: float) -> bytes:
        """A Prediction of one row, a BatchPrediction of many."""
        return self._with_id((render_one if self._single else render_many)(model, scores, elapsed_s))

    def refusal(self, error: ProblemError) -> bytes:
        """The problem."""
        return self._with_id(bytes(problem_response(error).body))

    def _read_floats(self, body: bytes) -> Question | None:
        try:
            parsed = _decode_floats(body)
        except (ValueError, RecursionError):
            return None
        rows, single = _rows(parsed.data)
        if body.count(b":") != n_members_of(parsed) + (parsed.id is not UNSET) + sum(map(n_keys, rows)):
            return None
        self._id = None if parsed.id is UNSET else parsed.id
        return question_of(parsed, rows, floats=True, single=single)

    def _read_values(self, body: bytes) -> Question | None:
        try:
            parsed = _decode_values(body)
        except (ValueError, RecursionError):
            return None
        rows, single = _rows(parsed.data)
        n_expected = n_members_of(parsed) + (parsed.id is not UNSET) + sum(map(n_colons, rows))
        if b"\\" in body or body.count(b":") != n_expected:
            return None
        self._id = None if parsed.id is UNSET else parsed.id
        return question_of(parsed, rows, floats=False, single=single)

    def _read_slowly(self, body: bytes) -> Question:
        content = parse_json(body)
        if not isinstance(content, dict):
            raise Invalid.field("body", content, "send an object with data")
        given = content.pop("id", None)
        if not _is_id(given):
            raise Invalid.field("body.id", given, f"at most {_MAX_ID} characters, or a whole number of 64 bits")
        self._id = given
        return explain(content, single=_is_single(content.get("data", {})))

    def _with_id(self, answer: bytes) -> bytes:
        return answer if self._id is None else b'{"id":' + orjson.dumps(self._id) + b"," + answer[1:]


def _is_id(given: Any) -> bool:
    """Whether an answer can have it: half a surrogate pair is no text that can be written."""
    if isinstance(given, str):
        return len(given) <= _MAX_ID and carried(given) == given
    return given is None or (type(given) is int and _LEAST <= given <= _MOST)


def _rows(data: Any) -> tuple[list[Any], bool]:
    single = _is_single(data)
    return ([data] if single else data), single


def _is_single(data: Any) -> bool:
    return not isinstance(data, list) or bool(data and not isinstance(data[0], list | dict))
