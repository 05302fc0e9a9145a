"""Models and their versions: the model service's registry payloads."""

from typing import Any
from uuid import UUID

from pydantic import Field

from pynomaly_contracts.base import Answer, Request, Resource
from pynomaly_contracts.figures import Interval


class Model(Resource):
    """A line of immutable versions, under one name."""

    name: str
    latest_version: str | None
    aliases: dict[str, str] = Field(description="Alias to version.", examples=[{"champion": "3"}])
    is_default: bool = Field(description="Whether predict without model_id uses it.")


class ModelVersion(Resource):
    """A signed artefact that can score."""

    model_id: UUID
    model_name: str
    version: str = Field(examples=["1"])
    algorithm: str
    parameters: dict[str, Any]
    feature_names: list[str] = Field(description="In the order that arrays of numbers must have.")
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


class AliasPut(Request):
    """Point an alias at a version."""

    version: str = Field(min_length=1, max_length=128)


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
