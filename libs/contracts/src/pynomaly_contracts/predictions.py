"""Predictions: rows in, scores out."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from pynomaly_contracts.base import Answer, Request

Value = Annotated[
    float | str | bool | None,
    Field(description="As the model's column says: a number, text, true or false, an ISO 8601 date, null for missing."),
]
Row = dict[str, Value] | list[Value]
ModelRef = Annotated[str, Field(min_length=1, max_length=128)]


class PredictRequest(Request):
    """One row: an object of named features, or an array in the model's declared order."""

    data: Row = Field(examples=[{"age": 0.73, "tsh": 0.0006, "t3": 0.015}])
    model_id: ModelRef | None = Field(default=None, description="Id or name; default: the tenant's default model.")
    version: ModelRef | None = Field(default=None, description="Version, its UUID or an alias; default: the latest.")
    return_confidence: bool = False
    return_explanation: bool = Field(default=False, description="Not offered yet: true is refused.")


class BatchPredictRequest(Request):
    """Many rows, each an object or an array."""

    data: list[Row] = Field(min_length=1, max_length=100_000)
    model_id: ModelRef | None = None
    version: ModelRef | None = None
    batch_size: int | None = Field(default=None, ge=1, le=100_000, description="A hint; answers do not depend on it.")
    return_confidence: bool = False
    return_explanation: bool = False


class StreamRequest(Request):
    """A message of the WebSocket /api/v1/predict/stream: one row, or many in a list.

    Its answer is a Prediction or a BatchPrediction, or a Problem, with the same id; answers keep the messages' order.
    """

    data: Row | list[Row]
    id: Annotated[str, Field(max_length=128)] | int | None = Field(default=None, description="The sender's own.")
    model_id: ModelRef | None = None
    version: ModelRef | None = None
    return_confidence: bool = False
    return_explanation: bool = False


class RowScore(Answer):
    """One row's scores."""

    prediction: float = Field(description="Position among the training scores, in [0, 1].")
    is_anomaly: bool = Field(description="raw_score > threshold.")
    raw_score: float = Field(description="The detector's own; higher is more anomalous.")
    confidence: float | None = Field(default=None, description="That this verdict is stable (ExCeeD), in [0, 1].")


class Prediction(RowScore):
    """Answer of POST /api/v1/predict."""

    threshold: float
    model_id: UUID
    model_version: str
    prediction_time: datetime
    latency_ms: float = Field(description="From parsed headers to scores, in the service.")


class BatchPrediction(Answer):
    """Answer of POST /api/v1/predict/batch, in the order of the rows."""

    predictions: list[RowScore]
    total_processed: int
    total_anomalies: int
    threshold: float
    model_id: UUID
    model_version: str
    processing_time_ms: float
    throughput_per_second: float
