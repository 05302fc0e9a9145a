"""Detectors and algorithms: the detector service's payloads."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, model_validator

from pynomaly_contracts.base import (
    Answer,
    ColumnName,
    Contamination,
    Description,
    Request,
    Resource,
    ResourceName,
    Seed,
    TimeLimit,
)
from pynomaly_contracts.thresholds import ThresholdChoice


class Algorithm(Answer):
    """An algorithm that detectors can use."""

    name: str = Field(examples=["IForest"])
    title: str
    description: str
    good_at: str = Field(default="", description="The data that it suits.")
    paper: str
    fit_cost: str = Field(description="low, medium or high, for some thousand rows.", examples=["low"])
    score_cost: str = Field(description="low, medium or high, for one row.", examples=["low"])
    online: bool = Field(description="Rows can be scored one at a time; if not, a batch is scored against itself.")
    max_rows: int | None = Field(default=None, description="Most rows of a batch that is scored against itself.")
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


Missing = Literal["reject", "median", "indicator"]
Categories = Literal["reject", "onehot", "frequency"]
Dates = Literal["reject", "parts"]
Unknown = Literal["other", "reject"]
Scaling = Literal["none", "standard", "robust", "quantile"]
MaxCategories = Annotated[
    int,
    Field(
        ge=1,
        le=256,
        description="onehot: so many of the most frequent have a feature each, where there are more only those of at "
        "least two rows; the rest share 'other'.",
    ),
]
_MISSING = (
    "reject: no value may be missing. median: the training rows' median stands in, or their most frequent text. "
    "indicator: as median, and a feature says where a value was missing, for each column that lacked some in training."
)
_CATEGORIES = (
    "onehot: a feature, 0 or 1, for each category, and one for all others. frequency: the share of the training rows "
    "that have the category, 0 for one that they did not have. reject: no text. Not said: text columns are used where "
    "feature_columns names them, as onehot up to max_categories different texts and as frequency beyond."
)
_DATES = (
    "parts: days since 1970-01-01 UTC, and weekday, month, day of the month and, of datetimes, the hour, each as the "
    "sine and cosine of its place on a circle. reject: no dates. Not said: parts, where feature_columns names them."
)
_UNKNOWN = "A text that the training rows did not have. other: scored as such. reject: the row is refused."
_SCALING = (
    "Of numbers and of the days of dates. standard: (x - mean) / standard deviation. robust: (x - median) / "
    "interquartile range. quantile: the position among the training rows, from 0 to 1."
)


class ColumnPreprocessing(Request):
    """What one column does otherwise than the others; what is not said is as for all."""

    missing: Missing | None = None
    categories: Categories | None = None
    max_categories: MaxCategories | None = None
    unknown: Unknown | None = None
    dates: Dates | None = None
    scaling: Scaling | None = None


class Preprocessing(Request):
    """How raw columns become the numbers that an algorithm sees. It is part of the model: raw rows are scored."""

    missing: Missing = Field(default="reject", description=_MISSING)
    categories: Categories | None = Field(default=None, description=_CATEGORIES)
    max_categories: MaxCategories = 32
    unknown: Unknown = Field(default="other", description=_UNKNOWN)
    dates: Dates | None = Field(default=None, description=_DATES)
    scaling: Scaling = Field(default="none", description=_SCALING)
    columns: dict[ColumnName, ColumnPreprocessing] = Field(
        default={}, max_length=10_000, description="By column, what differs.", examples=[{"age": {"missing": "median"}}]
    )


class DetectorCreate(Request):
    """A detector to be: an algorithm with its parameters. It detects once it is trained."""

    name: ResourceName
    algorithm: str = Field(max_length=64, examples=["IForest"])
    contamination: Contamination = 0.1
    parameters: dict[str, Any] = Field(default={}, examples=[{"n_estimators": 100}])
    feature_columns: list[ColumnName] = Field(
        default=[],
        max_length=10_000,
        description="Empty: every column of numbers or booleans that is not the target, and those of texts and dates "
        "where preprocessing says what to make of them.",
    )
    preprocessing: Preprocessing = Preprocessing()
    threshold: ThresholdChoice = ThresholdChoice()
    seed: Seed = 0
    description: Description | None = None


class DetectorUpdate(Request):
    """What to change for the next training; versions that are trained stay as they are."""

    contamination: Contamination | None = None
    parameters: dict[str, Any] | None = None
    feature_columns: list[ColumnName] | None = Field(default=None, max_length=10_000)
    preprocessing: Preprocessing | None = Field(default=None, description="All of it anew.")
    threshold: ThresholdChoice | None = None
    seed: Seed | None = None
    description: Description | None = None


class DetectorChanges(DetectorUpdate):
    """What a clone does otherwise than the detector that it is made of; what is not said is as there."""

    algorithm: str | None = Field(
        default=None, max_length=64, description="Another one needs its own parameters said; {} are its defaults."
    )


class CloneRequest(Request):
    """A new detector, not yet trained, that is set up as another one but for some changes."""

    name: ResourceName
    changes: DetectorChanges = DetectorChanges()


class Detector(Resource):
    """An algorithm with its parameters. Its model, once trained, has its name."""

    name: str
    algorithm: str
    contamination: float
    parameters: dict[str, Any]
    feature_columns: list[str]
    preprocessing: dict[str, Any] = Field(default={}, description="As it was asked for; empty: all defaults.")
    threshold: dict[str, Any] = Field(default={}, description="As it was asked for; empty: by contamination.")
    seed: int
    description: str | None = None
    state: Literal["untrained", "trained"] = "untrained"
    model_id: UUID | None = None
    latest_version: str | None = None
    cloned_from: UUID | None = Field(default=None, description="The detector that it was set up as.")


class TrainRequest(Request):
    """Train on all rows of a data set, without its target column."""

    dataset_id: str = Field(min_length=1, max_length=128, description="Id or name.")
    dataset_version: str | None = Field(default=None, max_length=32)
    time_limit_s: TimeLimit | None = None


class RetrainRequest(Request):
    """Train the next version as the one before, on the same data set as it is now or on another one."""

    dataset_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="Id or name; without: the one that the latest version was trained on.",
    )
    dataset_version: str | None = Field(default=None, max_length=32, description="Default: the newest.")
    time_limit_s: TimeLimit | None = None


class EvaluateRequest(Request):
    """Compare a trained version with the labels of a data set."""

    dataset_id: str = Field(min_length=1, max_length=128, description="Id or name; must have a target column.")
    dataset_version: str | None = Field(default=None, max_length=32)
    model_version: str | None = Field(default=None, max_length=128, description="Default: the latest.")
    time_limit_s: TimeLimit | None = None


class DetectBatchRequest(Request):
    """Score every row of a data set into a new data set."""

    dataset_id: str = Field(min_length=1, max_length=128, description="Id or name.")
    model_id: str | None = Field(default=None, min_length=1, max_length=128, description="Id or name; or detector_id.")
    detector_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="Id or name, in place of model_id: of a trained detector, or of one whose algorithm scores a batch "
        "against itself.",
    )
    version: str | None = Field(default=None, max_length=128, description="Version, its UUID or an alias.")
    name: ResourceName | None = Field(default=None, description="Of the scored data set.")
    time_limit_s: TimeLimit | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "DetectBatchRequest":
        if (self.model_id is None) == (self.detector_id is None):
            raise ValueError("name either model_id or detector_id")
        return self
