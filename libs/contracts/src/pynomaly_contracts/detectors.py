"""Detectors and algorithms: the detector service's payloads."""

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from pynomaly_contracts.base import (
    Answer,
    ColumnName,
    Contamination,
    Description,
    Request,
    Resource,
    ResourceName,
    Seed,
)


class Algorithm(Answer):
    """An algorithm that detectors can use."""

    name: str = Field(examples=["IForest"])
    title: str
    description: str
    good_at: str = Field(default="", description="The data that it suits.")
    paper: str
    fit_cost: str = Field(description="low, medium or high, for some thousand rows.", examples=["low"])
    score_cost: str = Field(description="low, medium or high, for one row.", examples=["low"])
    online: bool = Field(description="Rows can be scored one at a time.")
    parameters_schema: dict[str, Any] = Field(description="JSON Schema of `parameters`.")


class AlgorithmElsewhere(Answer):
    """A detector of PyOD's that models cannot be trained with."""

    name: str = Field(examples=["SOS"])
    kind: Literal["batch", "torch", "not_offered"] = Field(
        description="batch: scores a batch against itself. torch: needs PyTorch. not_offered: for the reason given."
    )
    reason: str
    instead: list[str] = Field(description="Algorithms on offer that come nearest.")


class AlgorithmList(Answer):
    """Every algorithm on offer, by name."""

    items: list[Algorithm]
    elsewhere: list[AlgorithmElsewhere] = Field(default=[], description="PyOD's other detectors, and why.")
    next_cursor: None = None


class DetectorCreate(Request):
    """A detector to be: an algorithm with its parameters. It detects once it is trained."""

    name: ResourceName
    algorithm: str = Field(max_length=64, examples=["IForest"])
    contamination: Contamination = 0.1
    parameters: dict[str, Any] = Field(default={}, examples=[{"n_estimators": 100}])
    feature_columns: list[ColumnName] = Field(
        default=[], max_length=10_000, description="Empty: every numeric column that is not the target."
    )
    seed: Seed = 0
    description: Description | None = None


class DetectorUpdate(Request):
    """What to change for the next training; versions that are trained stay as they are."""

    contamination: Contamination | None = None
    parameters: dict[str, Any] | None = None
    feature_columns: list[ColumnName] | None = Field(default=None, max_length=10_000)
    seed: Seed | None = None
    description: Description | None = None


class Detector(Resource):
    """An algorithm with its parameters. Its model, once trained, has its name."""

    name: str
    algorithm: str
    contamination: float
    parameters: dict[str, Any]
    feature_columns: list[str]
    seed: int
    description: str | None = None
    state: Literal["untrained", "trained"] = "untrained"
    model_id: UUID | None = None
    latest_version: str | None = None


class TrainRequest(Request):
    """Train on all rows of a data set, without its target column."""

    dataset_id: str = Field(min_length=1, max_length=128, description="Id or name.")
    dataset_version: str | None = Field(default=None, max_length=32)


class EvaluateRequest(Request):
    """Compare a trained version with the labels of a data set."""

    dataset_id: str = Field(min_length=1, max_length=128, description="Id or name; must have a target column.")
    dataset_version: str | None = Field(default=None, max_length=32)
    model_version: str | None = Field(default=None, max_length=128, description="Default: the latest.")


class DetectBatchRequest(Request):
    """Score every row of a data set into a new data set."""

    dataset_id: str = Field(min_length=1, max_length=128, description="Id or name.")
    model_id: str = Field(min_length=1, max_length=128, description="Id or name.")
    version: str | None = Field(default=None, max_length=128, description="Version, its UUID or an alias.")
    name: ResourceName | None = Field(default=None, description="Of the scored data set.")
