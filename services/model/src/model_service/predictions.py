"""Predict: from the bytes of a request to the bytes of its answer."""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple, Protocol

import structlog
from fastapi.exceptions import RequestValidationError
from pynomaly_chassis.problem_handlers import problem_of_validation
from pynomaly_chassis.problems import Invalid, ProblemError
from pynomaly_scoring import Rows, Scores

from model_service.answers import Render, render_many, render_one
from model_service.body import Question, read_many, read_one
from model_service.cells import Values
from model_service.errors import NotOffered
from model_service.messages import StreamMessage
from model_service.metrics import ModelMetrics
from model_service.refusals import RowsRefused
from model_service.runtime import ServedModel
from model_service.scoring import INLINE_BYTES, Scoring

log = structlog.get_logger()
PLACE = "body.data"
TABLE_PLACE = "body"
Block = Mapping[str, Values]


class TableReader(Protocol):
    """From a body to its columns by name, some rows at a time, in order."""

    def __call__(self, body: bytes, *, max_rows: int) -> Iterator[Block]: ...


class RequestLimits(NamedTuple):
    """Of one request: rows and bytes as JSON; rows as a table, whose bytes the route limits."""

    json_rows: int
    json_bytes: int
    table_rows: int


class TableQuestion(NamedTuple):
    """What is asked of rows that come as a table. read: gives its blocks."""

    read: TableReader
    model_ref: str | None
    version_ref: str | None
    confidence: bool


class Predictions:
    """The use cases of our own API."""

    def __init__(self, scoring: Scoring, metrics: ModelMetrics, limits: RequestLimits) -> None:
        self._scoring, self._metrics = scoring, metrics
        self.limit(limits)

    def limit(self, limits: RequestLimits) -> None:
        """What is asked from now on is held against these limits."""
        self._limits, self._read_many = limits, partial(read_many, max_rows=limits.json_rows)

    async def one(self, tenant_id: str, body: AsyncIterator[bytes]) -> bytes:
        """PredictRequest in, Prediction out, as JSON. Raises ProblemError, RequestValidationError."""
        return await self._counted(tenant_id, body, read_one, render_one)

    async def many(self, tenant_id: str, body: AsyncIterator[bytes], render: Render = render_many) -> bytes:
        """BatchPredictRequest in JSON in, BatchPrediction out. Raises ProblemError, RequestValidationError."""
        return await self._counted(tenant_id, body, self._read_many, render, quick=render is render_many)

    async def table(self, tenant_id: str, body: AsyncIterator[bytes], asked: TableQuestion, render: Render) -> bytes:
        """Rows as a table in, BatchPrediction out. Raises ProblemError."""
        with self._scoring.counted(), self._scoring.intake.place() as place:
            model = await self._scoring.model(tenant_id, asked.model_ref, asked.version_ref)
            whole = await place.read(body)
            return await self._scoring.pool.run(partial(self._score_table, model, whole, asked, render))

    async def message(self, tenant_id: str, body: bytes) -> bytes:
        """A StreamRequest in; a prediction out, or the problem, in JSON."""
        message = StreamMessage(self._limits.json_rows)
        try:
            with self._scoring.counted(), self._scoring.intake.place() as place:
                place.take(len(body))
                return await self._answer(tenant_id, body, message.read, message.render)
        except RequestValidationError as error:
            return message.refusal(problem_of_validation(error))
        except ProblemError as error:
            return message.refusal(error)
        except Exception:
            log.exception("stream.message_failed")
            return message.refusal(ProblemError("something broke here; the log has it"))

    async def _counted(
        self,
        tenant_id: str,
        chunks: AsyncIterator[bytes],
        read: Callable[[bytes], Question],
        render: Render,
        *,
        quick: bool = True,
    ) -> bytes:
        with self._scoring.counted(), self._scoring.intake.place() as place:
            body = await place.read(chunks, self._limits.json_bytes)
            return await self._answer(tenant_id, body, read, render, quick=quick)

    async def _answer(
        self, tenant_id: str, body: bytes, read: Callable[[bytes], Question], render: Render, *, quick: bool = True
    ) -> bytes:
        """quick: whether `render` is, for few rows."""
        began = time.perf_counter()
        question = await self._scoring.apart(len(body), partial(read, body))
        if question.explanation:
            raise NotOffered.field("body.return_explanation", True, "not offered yet; leave it out")
        model = await self._scoring.model(tenant_id, question.model_ref, question.version_ref)
        work = partial(self._score, model, question, render, began)
        short = len(body) <= INLINE_BYTES and len(question.rows) <= model.inline_rows
        return work() if short and quick else await self._scoring.pool.run(work)

    def _score(self, model: ServedModel, question: Question, render: Render, began: float) -> bytes:
        try:
            rows = model.columns.of_rows(question.rows, floats=question.floats, place=PLACE, single=question.single)
        except RowsRefused as error:
            raise told_in_full(error) from error
        scores = self._scoring.score_here(
            model, rows, confidence=question.confidence, place=PLACE, single=question.single
        )
        return self._rendered(model, scores, render, began)

    def _score_table(self, model: ServedModel, body: bytes, asked: TableQuestion, render: Render) -> bytes:
        began = time.perf_counter()
        blocks = self._blocks(model, asked.read(body, max_rows=self._limits.table_rows))
        try:
            scores = self._scoring.score_blocks(model, blocks, confidence=asked.confidence, place=TABLE_PLACE)
        except RowsRefused as error:
            raise told_in_full(error) from error
        return self._rendered(model, scores, render, began)

    def _blocks(self, model: ServedModel, blocks: Iterator[Block]) -> Iterator[Rows]:
        first_row = 0
        for block in blocks:
            rows = model.columns.of_columns(block, place=TABLE_PLACE, first_row=first_row)
            yield rows
            first_row += rows.n_rows

    def _rendered(self, model: ServedModel, scores: Scores, render: Render, began: float) -> bytes:
        answer = render(model, scores, time.perf_counter() - began)
        self._metrics.answered(model.name, time.perf_counter() - began)
        return answer


def told_in_full(error: RowsRefused) -> Invalid:
    """A 422 that names every wrong value."""
    return Invalid(str(error), errors=error.problems)
