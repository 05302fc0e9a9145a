"""What an operator changes while the services run: settings that are read again, and features that are switched."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from pynomaly_contracts.base import Answer, Request
from pynomaly_contracts.problems import Problem
from pynomaly_contracts.routes import Service

RELOAD_PATH, FLAGS_PATH = "/api/v1/admin/reload-config", "/api/v1/admin/feature-flags"


class Flag(StrEnum):
    """The features that have a switch, by the names of their settings."""

    STREAMING = "STREAMING_ENABLED"
    AUTOML = "AUTOML_ENABLED"
    ENSEMBLE = "ENSEMBLE_ENABLED"
    EXPLAINABILITY = "EXPLAINABILITY_ENABLED"
    AUTONOMOUS_MODE = "AUTONOMOUS_MODE_ENABLED"


FLAG_OWNERS: Mapping[Flag, tuple[Service, ...]] = {
    Flag.STREAMING: (Service.MODEL, Service.GATEWAY),
    Flag.ENSEMBLE: (Service.DETECTOR,),
}
"""Which services heed a switch; one that is not here belongs to a feature that there is not."""

FLAG_MEANINGS: Mapping[Flag, str] = {
    Flag.STREAMING: "WebSockets at /api/v1/predict/stream; off: new ones are refused, open ones end at their next "
    "message, and rows are scored by POST /api/v1/predict and /api/v1/predict/batch.",
    Flag.ENSEMBLE: "Training of Combination and FeatureBagging; off: it is refused, what is trained goes on scoring.",
    Flag.AUTOML: "Not offered: train several detectors and compare their evaluations.",
    Flag.EXPLAINABILITY: "Not offered: predictions carry raw_score, threshold and confidence, and no explanation.",
    Flag.AUTONOMOUS_MODE: "Not offered: detectors train when POST /api/v1/detectors/{detector}/train asks for it.",
}

Who = Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00-\x1f]*$")]
Reason = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]


class FeatureFlagChanges(Request):
    """Body of PATCH /api/v1/admin/feature-flags: all of it or nothing."""

    flags: Annotated[
        dict[Flag, bool | None],
        Field(min_length=1, description="null: as the setting says again.", examples=[{"STREAMING_ENABLED": False}]),
    ]
    reason: Reason = ""
    by: Annotated[Who, Field(description="Who changes it, for those who read of it later.")] = ""


class FeatureFlag(Answer):
    """A switch as this service has it now."""

    name: Flag
    enabled: bool
    heeded: bool = Field(description="Whether this service has the feature.")
    source: Literal["setting", "change", "not_offered"] = Field(
        description="change: switched at run time, which outlives restarts and goes before the setting."
    )
    meaning: str
    changed_at: datetime | None = Field(default=None, description="UTC, RFC 3339; null: not switched at run time.")
    changed_by: str | None = None
    reason: str | None = None


class FeatureFlags(Answer):
    """Answer of GET and PATCH /api/v1/admin/feature-flags."""

    service: str
    items: list[FeatureFlag]


class SettingChange(Answer):
    """A setting's values; a secret's are never told."""

    name: str
    old: str | None
    new: str | None


class ReplacedSetting(Answer):
    """A setting that is given and does nothing."""

    name: str
    instead: str


class ConfigReload(Answer):
    """Answer of POST /api/v1/admin/reload-config."""

    service: str
    generation: int = Field(ge=1, description="Of the settings in force: 1 at the start, one more with each change.")
    applied: list[SettingChange]
    unchanged: list[str] = Field(description="Could have been applied and say the same as before.")
    needs_restart: list[SettingChange] = Field(description="Are different now; the process goes on with the old.")
    overridden: list[str] = Field(description="In CONFIG_DIR, while the environment says otherwise, which wins.")
    unknown: list[str] = Field(description="In CONFIG_DIR, and no setting of this service.")
    replaced: list[ReplacedSetting]


class ServiceResult(Answer):
    """What one service answered."""

    service: Service
    outcome: Literal["done", "failed", "not_concerned"]
    answer: dict[str, Any] | None = Field(default=None, description="Where it is done, what the service answered.")
    problem: Problem | None = Field(default=None, description="Where it failed.")


class SuiteResult(Answer):
    """Answer of the gateway's admin routes with ?service=: 200 where all is done, 207 where some failed."""

    results: list[ServiceResult]
