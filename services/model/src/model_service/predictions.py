"""Predict: from the bytes of a request to the bytes of its answer."""

import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial

import msgspec
import numpy as np
from pynomaly_chassis.ids import utc_now
from pynomaly_chassis.problems import Invalid
from pynomaly_scoring import Rows, Scores

from model_service.body import Question, read_many, read_one
from model_service.errors import NotOffered
from model_service.metrics import ModelMetrics
from model_service.refusals import RowsRefused
from model_service.runtime import ServedModel
from model_service.scoring import INLINE_BYTES, Scoring

PLACE = "body.data"


class _RowScore(msgspec.Struct, omit_defaults=True):
    prediction: float
    is_anomaly: bool
    raw_score: float
    confidence: float | None = None


class _Prediction(msgspec.Struct, omit_defaults=True):
    prediction: float
    is_anomaly: bool
    raw_score: float
    threshold: float
    model_id: str
    model_version: str
    prediction_time: datetime
    latency_ms: float
    confidence: float | None = None


class _BatchPrediction(msgspec.Struct):
    predictions: list[_RowScore]
    total_processed: int
    total_anomalies: int
    threshold: float
    model_id: str
    model_version: str
    processing_time_ms: float
    throughput_per_second: float


_encode = msgspec.json.Encoder().encode
_Render = Callable[[ServedModel, Scores, float], bytes]


class Predictions:
    """The use cases of our own API."""

    def __init__(self, scoring: Scoring, metrics: ModelMetrics, *, max_rows: int) -> None:
        self._scoring, self._metrics = scoring, metrics
        self._read_many = partial(read_many, max_rows=max_rows)

    async def one(self, tenant_id: str, body: AsyncIterator[bytes]) -> bytes:
        """PredictRequest in, Prediction out, as JSON. Raises ProblemError, RequestValidationError."""
        return await self._counted(tenant_id, body, read_one, _render_one)

    async def many(self, tenant_id: str, body: AsyncIterator[bytes]) -> bytes:
        """BatchPredictRequest in, BatchPrediction out, as JSON. Raises ProblemError, RequestValidationError."""
        return await self._counted(tenant_id, body, self._read_many, _render_many)

    async def _counted(
        self, tenant_id: str, chunks: AsyncIterator[bytes], read: Callable[[bytes], Question], render: _Render
    ) -> bytes:
        with self._scoring.counted(), self._scoring.intake.place() as place:
            return await self._answer(tenant_id, await place.read(chunks), read, render)

    async def _answer(self, tenant_id: str, body: bytes, read: Callable[[bytes], Question], render: _Render) -> bytes:
        began = time.perf_counter()
        question = await self._scoring.apart(len(body), partial(read, body))
        if question.explanation:
            raise NotOffered.field("body.return_explanation", True, "not offered yet; leave it out")
        model = await self._scoring.model(tenant_id, question.model_ref, question.version_ref)
        work = partial(self._score, model, question, render, began)
        short = len(body) <= INLINE_BYTES and len(question.rows) <= model.inline_rows
        return work() if short else await self._scoring.pool.run(work)

    def _score(self, model: ServedModel, question: Question, render: _Render, began: float) -> bytes:
        rows = _rows(model, question)
        scores = self._scoring.score_here(
            model, rows, confidence=question.confidence, place=PLACE, single=question.single
        )
        answer = render(model, scores, time.perf_counter() - began)
        self._metrics.answered(model.name, time.perf_counter() - began)
        return answer


def _rows(model: ServedModel, question: Question) -> Rows:
    try:
        return model.columns.of_rows(question.rows, floats=question.floats, place=PLACE, single=question.single)
    except RowsRefused as error:
        raise Invalid(str(error), errors=error.problems) from error


def _render_one(model: ServedModel, scores: Scores, elapsed_s: float) -> bytes:
    return _encode(
        _Prediction(
            prediction=float(scores.prediction[0]),
            is_anomaly=bool(scores.is_anomaly[0]),
            raw_score=float(scores.raw_score[0]),
            threshold=model.threshold,
            model_id=model.model_id_text,
            model_version=model.number,
            prediction_time=utc_now(),
            latency_ms=round(elapsed_s * 1000, 4),
            confidence=None if scores.confidence is None else float(scores.confidence[0]),
        )
    )


def _render_many(model: ServedModel, scores: Scores, elapsed_s: float) -> bytes:
    columns = [scores.prediction.tolist(), scores.is_anomaly.tolist(), scores.raw_score.tolist()]
    if scores.confidence is not None:
        columns.append(scores.confidence.tolist())
    rows = list(map(_RowScore, *columns))
    return _encode(
        _BatchPrediction(
            predictions=rows,
            total_processed=len(rows),
            total_anomalies=int(np.count_nonzero(scores.is_anomaly)),
            threshold=model.threshold,
            model_id=model.model_id_text,
            model_version=model.number,
            processing_time_ms=round(elapsed_s * 1000, 4),
            throughput_per_second=round(len(rows) / elapsed_s, 1),
        )
    )
