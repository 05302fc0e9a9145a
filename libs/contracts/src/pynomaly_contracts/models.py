"""Models and their versions: the model service's registry payloads."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from pynomaly_contracts.base import Answer, Request, Resource
from pynomaly_contracts.figures import Interval


class Model(Resource):
    """A line of immutable versions, under one name."""

    name: str
    latest_version: str | None
    aliases: dict[str, str] = Field(description="Alias to version.", examples=[{"champion": "3"}])
    is_default: bool = Field(description="Whether predict without model_id uses it.")


class Lineage(Answer):
    """Where a version comes from. All but previous_version is signed with the artefact; null where that is silent."""

    dataset_id: UUID | None = None
    dataset_name: str | None = None
    dataset_version: str | None = None
    dataset_sha256: str | None = Field(default=None, description="Of the bytes that were uploaded.")
    data_digest: str | None = Field(default=None, description="SHA-256 of the rows that were trained on.")
    detector_id: str | None = None
    detector_name: str | None = None
    job_id: str | None = Field(default=None, description="Of the training job.")
    algorithm: str | None = None
    parameters: dict[str, Any] = Field(default={})
    seed: int | None = None
    contamination: float | None = None
    versions: dict[str, str] = Field(default={}, description="Library versions at training.")
    retrained_from: str | None = Field(default=None, description="The version that a retraining was to follow.")
    previous_version: str | None = Field(default=None, description="The number before, whatever became of it.")


class VersionColumn(Answer):
    """A column of the rows that a version scores."""

    name: str
    type: str = Field(examples=["number", "integer", "boolean", "date", "datetime", "string"])
    accepts_missing: bool = False
    categories: list[str] = Field(default=[], description="Of a string column: those of the training rows.")
    accepts_unknown: bool = Field(default=False, description="Other strings are scored, as 'other'.")


class ModelVersion(Resource):
    """A signed artefact that can score. Immutable but for notes and labels."""

    model_id: UUID
    model_name: str
    version: str = Field(examples=["1"])
    algorithm: str
    parameters: dict[str, Any]
    feature_names: list[str] = Field(description="In the order that arrays of numbers must have.")
    columns: list[VersionColumn] = Field(default=[], description="What each feature may hold, in this order.")
    preprocessing: dict[str, Any] = Field(default={}, description="What becomes of the columns; empty: nothing.")
    contamination: float
    threshold: float
    threshold_interval: Interval | None = Field(default=None, description="95 % confidence interval, low and high.")
    metrics: dict[str, Any] = Field(default={}, description="Figures on the labels of the training rows, if any.")
    n_train: int
    seed: int
    dataset_id: UUID | None = None
    dataset_version: str | None = None
    data_digest: str = Field(description="SHA-256 of the training data.")
    digest: str = Field(description="SHA-256 of the artefact's bytes.")
    n_bytes: int
    signed_by: str = Field(description="SHA-256 of the PEM public key.")
    versions: dict[str, str] = Field(description="Library versions at training.", examples=[{"pyod": "3.6.7"}])
    lineage: Lineage = Lineage()
    notes: str | None = None
    labels: dict[str, str] = Field(default={})
    created_by: str | None = Field(default=None, description="The tenant that registered it.")


Notes = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")]
LabelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$")]
LabelValue = Annotated[str, StringConstraints(max_length=256, pattern=r"^[^\x00]*$")]
Reason = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]
VersionRef = Annotated[str, StringConstraints(min_length=1, max_length=128)]


class VersionUpdate(Request):
    """What people say of a version. What is not sent stays."""

    notes: Notes | None = Field(default=None, description="All of them anew; null: none.")
    labels: dict[LabelName, LabelValue] | None = Field(
        default=None, max_length=64, description="All of them anew; null: none.", examples=[{"stage": "review"}]
    )


class AliasPut(Request):
    """Point an alias at a version."""

    version: VersionRef
    expected_version: VersionRef | None = Field(
        default=None,
        description="Move it only from this version, by number or id; null, if sent: only where there is no such alias "
        "yet. An alias that is where it is to be is right, whatever was expected: a repeated request does no harm.",
    )
    reason: Reason | None = None


class Alias(Answer):
    """A movable name of a version. at, by, reason: of its last move; null where that is not known."""

    alias: str
    version: str
    version_id: UUID
    at: datetime | None = None
    by: str | None = None
    reason: str | None = None


class AliasList(Answer):
    """Every alias of a model, by name."""

    items: list[Alias]
    next_cursor: None = None


class AliasMove(Answer):
    """One move in an alias's history: what one ends at, the next begins at."""

    id: UUID
    alias: str
    from_version: str | None = Field(description="Null: there was no such alias.")
    to_version: str | None = Field(description="Null: the alias was removed.")
    at: datetime = Field(description="UTC, RFC 3339.")
    by: str | None = Field(default=None, description="The tenant; null where that is not known.")
    reason: str | None = None


class DefaultPut(Request):
    """What predict without model_id uses."""

    model_id: str = Field(min_length=1, max_length=128, description="Id or name.")
    version: str | None = Field(default=None, max_length=128, description="Default: always the latest.")


class DefaultModel(Answer):
    """What predict without model_id uses."""

    model_id: UUID
    model_name: str
    version: str | None = None


class LoadRequest(Request):
    """Which version to load."""

    version: str | None = Field(default=None, max_length=128, description="Default: the latest.")


class LoadedModel(Answer):
    """A model in memory, ready to score."""

    model_id: UUID
    model_name: str
    version: str
    n_bytes: int
    loaded: bool


Desired = Literal["pinned", "loaded", "on_demand"]


class LoadFailure(Answer):
    """Why a version did not come into memory."""

    type: str
    detail: str
    at: datetime


class VersionServing(Answer):
    """Whether a version is to be in memory, and whether it is, in the replica that answers."""

    model_id: UUID
    model_name: str
    version: str
    desired: Desired = Field(
        description="pinned: in every replica, until it is unpinned. loaded: in every replica, until the model is "
        "unloaded. on_demand: where it is used, while there is room."
    )
    replica: str = Field(description="The one that answers.")
    state: Literal["loaded", "loading", "absent"]
    n_bytes: int | None = Field(default=None, description="Of memory, estimated; null if not loaded.")
    loaded_at: datetime | None = None
    last_error: LoadFailure | None = Field(default=None, description="Of the last try, where that failed.")
