"""Jobs: work that outlives its request."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import Field

from pynomaly_contracts.base import Answer, Resource
from pynomaly_contracts.figures import Figures, Interval
from pynomaly_contracts.problems import Problem

JobKind = Literal["train", "evaluate", "detect_batch"]
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
FINISHED: frozenset[JobState] = frozenset({"succeeded", "failed", "cancelled"})


class JobAccepted(Answer):
    """The job exists; GET its Location for progress."""

    job_id: UUID


class Usage(Answer):
    """What the process that computed took."""

    peak_memory_mb: float | None = Field(default=None, description="MiB that it held at most.")
    rows_per_s: float | None = Field(
        default=None, description="Rows by the time that it took: reading, computing and writing, but no transfers."
    )


class ConfusionMatrix(Answer):
    """Rows counted by label and verdict; positive = anomaly."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int


class VersionBefore(Answer):
    """The version that a retraining follows, and how the new one differs from it."""

    model_version: str
    dataset_id: UUID | None = Field(default=None, description="What it was trained on.")
    dataset_version: str | None = None
    threshold: float
    metrics: Figures | None = Field(default=None, description="On the labels of its own training rows.")
    settings_changed: list[str] = Field(
        default=[], description="What the detector's own settings say otherwise than when it was trained."
    )
    agreement: float | None = Field(
        default=None, ge=0, le=1, description="Share of the new training rows that both versions judge alike."
    )
    n_compared: int | None = Field(
        default=None, description="Of how many rows: all of up to 100,000, of more so many, evenly spread."
    )
    agreement_absent: str | None = Field(default=None, description="Why they could not be compared.")


class TrainResult(Usage):
    """What a training left behind."""

    model_id: UUID
    model_name: str
    model_version: str
    model_version_id: UUID
    n_rows: int
    feature_columns: list[str]
    ignored_columns: list[str] = Field(description="Columns of the data set that the model does not use.")
    threshold: float
    threshold_interval: Interval | None = Field(
        default=None,
        description="95 % confidence interval of the threshold, low and high; null where the rows are too few, or the "
        "threshold is a parameter.",
    )
    n_anomalies: int | None = Field(default=None, description="Training rows over the threshold.")
    metrics: Figures | None = Field(default=None, description="On the labels of the training rows.")
    metrics_absent: str | None = Field(default=None, description="Why the labels of the target column gave no metrics.")
    fit_duration_s: float
    warnings: list[str] = Field(default=[], description="What may be wrong with the columns that were trained on.")
    before: VersionBefore | None = Field(default=None, description="Of a retraining alone.")


class EvaluateResult(Figures, Usage):
    """How well the scores order the labels, and the verdicts at the model's threshold."""

    model_id: UUID
    model_version: str
    threshold: float
    confusion: ConfusionMatrix
    n_rows: int


class DetectBatchResult(Usage):
    """Where the scored rows are."""

    dataset_id: UUID
    model_id: UUID | None = Field(default=None, description="Null where a batch was scored against itself.")
    model_version: str | None = None
    n_rows: int
    n_anomalies: int
    score_columns: dict[str, str] = Field(
        description="Each score's column; a name that is taken already gets the prefix 'pynomaly_'.",
        examples=[{"raw_score": "raw_score", "prediction": "prediction", "is_anomaly": "pynomaly_is_anomaly"}],
    )


class QueuePlace(Answer):
    """Where a waiting job stands. Tenants take turns, so that nobody's long queue keeps others waiting."""

    position: int = Field(ge=1, description="1 begins next; how many jobs of all tenants begin until it does.")
    starts_in_s: float | None = Field(
        default=None, description="An estimate, s; null while no worker lives or no job has ended yet."
    )


class JobSummary(Answer):
    """How many jobs there are."""

    queued: int
    running: int
    succeeded: int
    failed: int
    cancelled: int
    max_queued: int = Field(description="How many may wait at a time; one more is refused with 429.")


class Job(Resource):
    """A unit of durable work."""

    kind: JobKind
    state: JobState
    stage: str = Field(description="What it is doing, in a word or two.", examples=["fitting"])
    progress: float = Field(ge=0, le=1)
    attempts: int = Field(description="How often a worker has begun it.")
    detector_id: UUID | None = None
    retry_of: UUID | None = Field(default=None, description="The job that this one tries again.")
    time_limit_s: float | None = Field(default=None, description="As it was asked for; null: the service's own limit.")
    queue: QueuePlace | None = Field(default=None, description="While it is queued.")
    result: TrainResult | EvaluateResult | DetectBatchResult | None = None
    problem: Problem | None = Field(default=None, description="Why it failed.")
    started_at: datetime | None = None
    finished_at: datetime | None = None
