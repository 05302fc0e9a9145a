"""Scores as JSON answers."""

from collections.abc import Callable
from datetime import datetime

import msgspec
import numpy as np
from pynomaly_chassis.ids import utc_now
from pynomaly_scoring import Scores

from model_service.runtime import ServedModel


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
Render = Callable[[ServedModel, Scores, float], bytes]
"""From the model, its scores and the seconds that they took to an answer."""


def render_one(model: ServedModel, scores: Scores, elapsed_s: float) -> bytes:
    """A Prediction."""
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


def render_many(model: ServedModel, scores: Scores, elapsed_s: float) -> bytes:
    """A BatchPrediction."""
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
