"""What a job is to do, pinned when it was asked for: a try that comes later does the very same."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pynomaly_contracts.base import from_storage
from pynomaly_contracts.datasets import Column
from pynomaly_contracts.detectors import Preprocessing
from pynomaly_contracts.jobs import VersionBefore
from pynomaly_contracts.thresholds import ThresholdChoice


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    dataset_id: UUID
    dataset_version: str
    feature_columns: list[str]


class Before(VersionBefore):
    """The version that a retraining follows."""

    model_id: UUID


class TrainSpec(_Spec):
    """Fit on these columns of a data set. columns: the features' types; none are all numbers.

    target_column: the labels, which the fit never sees; figures and the threshold may. detector_id, dataset_name,
    dataset_sha256: for the model's lineage; a job of former times did not have them. before: of a retraining.
    """

    detector_name: str
    algorithm: str
    contamination: float
    parameters: dict[str, Any]
    seed: int
    ignored_columns: list[str]
    columns: list[Column] = []
    preprocessing: Annotated[Preprocessing, BeforeValidator(partial(from_storage, Preprocessing))] = Preprocessing()
    target_column: str | None = None
    detector_id: UUID | None = None
    dataset_name: str | None = None
    dataset_sha256: str | None = None
    n_rows: int | None = None
    before: Before | None = None
    threshold: Annotated[ThresholdChoice, BeforeValidator(partial(from_storage, ThresholdChoice))] = ThresholdChoice()


class ScoreItselfSpec(TrainSpec):
    """Score a data set against itself, into a new one."""

    detector_id: UUID
    n_rows: int
    source_name: str
    scored_name: str | None


class EvaluateSpec(_Spec):
    """Score a labelled data set with one version and compare."""

    target_column: str
    model_id: UUID
    model_version: str


class DetectBatchSpec(_Spec):
    """Score a data set with one version into a new one; its name, if none is given, has the job's id in it."""

    n_rows: int
    target_column: str | None
    model_id: UUID
    model_version: str
    source_name: str
    scored_name: str | None
