"""Evaluations that are kept, and detectors compared by them: the detector service's payloads."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from pynomaly_contracts.base import Answer
from pynomaly_contracts.figures import Figures, Interval
from pynomaly_contracts.jobs import ConfusionMatrix

Metric = Literal["roc_auc", "average_precision", "precision_at_n", "f1", "precision", "recall", "false_alarm_rate"]
MIN_COMPARED, MAX_COMPARED = 2, 20
NO_CLEAR_WINNER = "no clear winner"


class Evaluation(Answer):
    """How well one version of a detector's model agrees with the labels of one version of a data set."""

    id: UUID
    detector_id: UUID
    model_id: UUID
    model_version: str
    dataset_id: UUID
    dataset_version: str
    target_column: str = Field(description="The column of labels.")
    source: Literal["evaluation", "training"] = Field(
        description="training: on the very rows that the version was fitted to, by the scores that the fit gave them."
    )
    metrics: Figures
    threshold: float = Field(description="Of the version; a row above it is called an anomaly.")
    confusion: ConfusionMatrix | None = Field(default=None, description="null: of a training.")
    n_rows: int
    n_anomalies: int = Field(description="Rows that are labelled one.")
    is_paired: bool = Field(
        description="Whether its bootstrap samples were kept, so that its differences to others have intervals."
    )
    made_at: datetime = Field(description="UTC, RFC 3339.")
    job_id: UUID = Field(description="The job that made it.")


class ComparedDetector(Answer):
    """A detector's place."""

    place: int = Field(ge=1, description="By the metric; those of the same figure share a place.")
    detector_id: UUID
    name: str
    algorithm: str
    evaluation: Evaluation = Field(description="Of its latest version, its newest on these rows.")
    difference: float | None = Field(
        default=None, description="Its figure minus the first one's, in the metric; null of the first itself."
    )
    difference_interval: Interval | None = Field(
        default=None,
        description="95 % confidence interval of the difference, low and high: paired bootstrap, both detectors on the "
        "same samples of the same rows; null where their samples are not the same ones.",
    )


class NotCompared(Answer):
    """A detector that has no evaluation to be compared by, and the call that comes next to having one."""

    detector_id: UUID
    name: str
    reason: str
    method: Literal["POST"] | None = Field(default=None, description="null: there is no such call.")
    path: str | None = Field(default=None, examples=["/api/v1/detectors/forest/evaluate"])
    body: dict[str, Any] | None = Field(default=None, examples=[{"dataset_id": "thyroid", "dataset_version": "2"}])


class Comparison(Answer):
    """Detectors on the same rows, the best first."""

    dataset_id: UUID
    dataset_name: str
    dataset_version: str
    target_column: str | None
    metric: Metric
    is_higher_better: bool = Field(description="false of false_alarm_rate alone.")
    items: list[ComparedDetector]
    missing: list[NotCompared] = Field(description="Detectors without an evaluation on these rows.")
    winner: UUID | None = Field(
        description="The first, where the interval of its difference to every other one excludes 0."
    )
    verdict: str = Field(description="In words.", examples=[NO_CLEAR_WINNER])
