"""Jobs: work that outlives its request."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from pynomaly_contracts.base import Answer, Resource
from pynomaly_contracts.problems import Problem

JobKind = Literal["train", "evaluate", "detect_batch"]
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
FINISHED: frozenset[JobState] = frozenset({"succeeded", "failed", "cancelled"})


class JobAccepted(Answer):
    """The job exists; GET its Location for progress."""

    job_id: UUID


class ConfusionMatrix(Answer):
    """Rows counted by label and verdict; positive = anomaly."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int


class TrainResult(Answer):
    """What a training left behind."""

    model_id: UUID
    model_name: str
    model_version: str
    model_version_id: UUID
    n_rows: int
    feature_columns: list[str]
    ignored_columns: list[str] = Field(description="Columns of the data set that the model does not use.")
    threshold: float
    fit_duration_s: float


class EvaluateResult(Answer):
    """How well the scores order the labels, and the verdicts at the model's threshold."""

    model_id: UUID
    model_version: str
    roc_auc: float
    average_precision: float
    precision_at_n: float = Field(description="Precision among the n highest scores, n = number of anomalies.")
    f1: float = Field(description="At the model's threshold.")
    threshold: float
    confusion: ConfusionMatrix
    n_rows: int
    n_anomalies: int


class DetectBatchResult(Answer):
    """Where the scored rows are."""

    dataset_id: UUID
    model_id: UUID
    model_version: str
    n_rows: int
    n_anomalies: int
    score_columns: dict[str, str] = Field(
        description="Each score's column; a name that is taken already gets the prefix 'pynomaly_'.",
        examples=[{"raw_score": "raw_score", "prediction": "prediction", "is_anomaly": "pynomaly_is_anomaly"}],
    )


class Job(Resource):
    """A unit of durable work."""

    kind: JobKind
    state: JobState
    stage: str = Field(description="What it is doing, in a word or two.", examples=["fitting"])
    progress: float = Field(ge=0, le=1)
    attempts: int = Field(description="How often a worker has begun it.")
    detector_id: UUID | None = None
    result: TrainResult | EvaluateResult | DetectBatchResult | None = None
    problem: Problem | None = Field(default=None, description="Why it failed.")
    started_at: datetime | None = None
    finished_at: datetime | None = None
