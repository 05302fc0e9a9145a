"""Scoring rows that the caller holds."""

from collections.abc import Sequence
from uuid import UUID

from pynomaly_contracts.predictions import BatchPrediction, BatchPredictRequest, Prediction, PredictRequest

from pynomaly.core.call import an, payload, send, text_of
from pynomaly.core.session import Session
from pynomaly.scorable import ScorableRows, chunks, many_rows, one_row

Ref = str | UUID


async def predict(
    session: Session, row: object, model_id: Ref | None, version: str | None, return_confidence: bool
) -> Prediction:
    """One row."""
    body = payload(
        PredictRequest,
        data=one_row(row),
        model_id=_text(model_id),
        version=version,
        return_confidence=return_confidence or None,
    )
    return await session.send(send("POST", an(Prediction), "predict", payload=body))


async def predict_batch(
    session: Session, rows: ScorableRows, model_id: Ref | None, version: str | None, return_confidence: bool
) -> BatchPrediction:
    """Many rows, in requests of a bounded size. The first one's version scores them all."""
    answers: list[BatchPrediction] = []
    for chunk in chunks(many_rows(rows)):
        body = payload(
            BatchPredictRequest,
            data=chunk,
            model_id=_text(model_id),
            version=version,
            return_confidence=return_confidence or None,
        )
        answer = await session.send(send("POST", an(BatchPrediction), "predict", "batch", payload=body))
        model_id, version = answer.model_id, answer.model_version
        answers.append(answer)
    return answers[0] if len(answers) == 1 else _joined(answers)


def _joined(answers: Sequence[BatchPrediction]) -> BatchPrediction:
    n_rows = sum(answer.total_processed for answer in answers)
    duration_ms = sum(answer.processing_time_ms for answer in answers)
    return answers[0].model_copy(
        update={
            "predictions": [row for answer in answers for row in answer.predictions],
            "total_processed": n_rows,
            "total_anomalies": sum(answer.total_anomalies for answer in answers),
            "processing_time_ms": duration_ms,
            "throughput_per_second": n_rows / duration_ms * 1000 if duration_ms else 0.0,
        }
    )


def _text(ref: Ref | None) -> str | None:
    return None if ref is None else text_of(ref)
