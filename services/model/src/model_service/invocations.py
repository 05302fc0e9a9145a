"""Rows in, one object per row out: what the protocols of KServe v1 and of MLflow have in common."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import NamedTuple

import msgspec
from pynomaly_chassis.problems import Invalid
from pynomaly_scoring import Rows, Scores

from model_service.domain import Columns
from model_service.errors import TooManyRows
from model_service.metrics import ModelMetrics
from model_service.refusals import RowsRefused
from model_service.runtime import ServedModel
from model_service.scoring import INLINE_BYTES, Scoring

MODEL, VERSION, CONFIDENCE = "model_id", "version", "return_confidence"
_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_MAX_REFERENCE = 128


class Asked(NamedTuple):
    """Of which model, the default where None, in which version, the latest where None; and whether for confidence."""

    model_ref: str | None = None
    version_ref: str | None = None
    confidence: bool = False


class Given(NamedTuple):
    """Rows as a protocol brought them. rows_of: makes them the model's, or raises RowsRefused."""

    asked: Asked
    n_rows: int
    rows_of: Callable[[Columns], Rows]


Read = Callable[[bytes, int], Given]
"""From a body, and the most rows that it may have, to its rows."""


class _RowScore(msgspec.Struct, omit_defaults=True):
    prediction: float
    is_anomaly: bool
    raw_score: float
    confidence: float | None = None


class _Answer(msgspec.Struct):
    predictions: list[_RowScore]


_encode = msgspec.json.Encoder().encode


class Invocations:
    """The use case of both protocols."""

    def __init__(self, scoring: Scoring, metrics: ModelMetrics, *, max_rows: int, max_bytes: int) -> None:
        self._scoring, self._metrics = scoring, metrics
        self.max_rows, self.max_bytes = max_rows, max_bytes

    async def __call__(self, tenant_id: str, body: AsyncIterator[bytes], read: Read) -> bytes:
        """{"predictions": [...]}, one object per row, in order. Raises ProblemError."""
        with self._scoring.counted(), self._scoring.intake.place() as place:
            whole = await place.read(body, self.max_bytes)
            began = time.perf_counter()
            given = await self._scoring.apart(len(whole), partial(self._read, read, whole))
            model = await self._scoring.model(tenant_id, given.asked.model_ref, given.asked.version_ref)
            work = partial(self._answer, model, given, began)
            short = len(whole) <= INLINE_BYTES and given.n_rows <= model.inline_rows
            return work() if short else await self._scoring.pool.run(work)

    def _read(self, read: Read, body: bytes) -> Given:
        given = read(body, self.max_rows)
        if given.n_rows == 0:
            raise Invalid("there are no rows; send at least one")
        if given.n_rows > self.max_rows:
            raise TooManyRows(f"{given.n_rows} rows; send at most {self.max_rows} at a time", max_rows=self.max_rows)
        return given

    def _answer(self, model: ServedModel, given: Given, began: float) -> bytes:
        try:
            rows = given.rows_of(model.columns)
        except RowsRefused as error:
            raise Invalid(str(error), errors=error.problems) from error
        answer = _rendered(self._scoring.score_here(model, rows, confidence=given.asked.confidence))
        self._metrics.answered(model.name, time.perf_counter() - began)
        return answer


def asked_in_query(query: Mapping[str, str], model_ref: str | None = None) -> Asked:
    """What the query says; model_ref: what the path does. Raises Invalid."""
    flag = query.get(CONFIDENCE, "false").lower()
    if flag not in _FLAGS:
        raise Invalid.field(f"query.{CONFIDENCE}", flag, "true or false")
    references = [query.get(name) for name in (MODEL, VERSION)]
    for name, reference in zip((MODEL, VERSION), references, strict=True):
        check_reference(f"query.{name}", reference)
    return Asked(model_ref or references[0], references[1], _FLAGS[flag])


def check_reference(place: str, reference: object) -> None:
    """Raises Invalid."""
    is_one = isinstance(reference, str) and 1 <= len(reference) <= _MAX_REFERENCE
    if reference is not None and not is_one:
        raise Invalid.field(place, None, f"a text of 1 to {_MAX_REFERENCE} characters")


def _rendered(scores: Scores) -> bytes:
    columns = [scores.prediction.tolist(), scores.is_anomaly.tolist(), scores.raw_score.tolist()]
    if scores.confidence is not None:
        columns.append(scores.confidence.tolist())
    return _encode(_Answer(list(map(_RowScore, *columns))))
