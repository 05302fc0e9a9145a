"""What a model is: its features, threshold and origin. Deterministic: the same training gives the same bytes."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from pynomaly_scoring.columns import InputColumn
from pynomaly_scoring.errors import ManifestInvalid
from pynomaly_scoring.strict_json import parse, take

SCHEMA_VERSION = 1
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MAX_INTEGER = 2**63 - 1
_MAX_CONTAMINATION = 0.5  # above it, the anomalies would be the inliers


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreDistribution:
    """The raw scores of the training rows. quantiles: probability, written as a decimal, to raw score."""

    min: float
    max: float
    mean: float
    std: float
    quantiles: Mapping[str, float]

    def __post_init__(self) -> None:
        numbers = (self.min, self.max, self.mean, self.std, *self.quantiles.values())
        if not all(map(math.isfinite, numbers)) or self.min > self.max or self.std < 0:
            raise ManifestInvalid("manifest-value", "score_distribution must be finite, min <= max, std >= 0")

    @classmethod
    def from_object(cls, value: object) -> Self:
        """The distribution in a parsed JSON object. Raises ValueError on a wrong shape, ManifestInvalid."""
        quantiles = take(value, "quantiles", dict)
        return cls(
            **{name: take(value, name, float) for name in ("min", "max", "mean", "std")},
            quantiles={probability: take(quantiles, probability, float) for probability in quantiles},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One trained model, described.

    feature_names: the columns in the order of arrays, unique, not empty; n_features: their count. columns: what each
    of them may hold; none are all numbers, none missing.
    contamination: in (0, 0.5]. threshold: raw score above which a row is an anomaly. n_train: rows, >= 1.
    seed: >= 0. data_digest: SHA-256 of the training data, 64 hex digits. versions: what trained it, by package.
    preprocessing: how the graph makes numbers of the columns, as it was asked for and what it makes of them.
    threshold_interval: (low, high), 95 % confidence. metrics: figures on the labels of the training data.
    n_reference: training rows, >= 1, that the graph compares with, where it does.
    lineage: where the model comes from, by name: ids and names of its detector, data set and training job.
    Raises ManifestInvalid on a value outside these ranges.
    """

    schema_version: int = SCHEMA_VERSION
    algorithm: str
    parameters: Mapping[str, Any]
    feature_names: tuple[str, ...]
    n_features: int
    contamination: float
    threshold: float
    n_train: int
    seed: int
    data_digest: str
    dataset_id: str
    dataset_version: str
    score_distribution: ScoreDistribution
    versions: Mapping[str, str]
    columns: tuple[InputColumn, ...] = ()
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    threshold_interval: tuple[float, float] | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)
    n_reference: int | None = None
    lineage: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        broken = self._broken_rule()
        if broken is not None:
            raise ManifestInvalid("manifest-value", broken)

    @property
    def inputs(self) -> tuple[InputColumn, ...]:
        """What each feature may hold, in order."""
        return self.columns or tuple(InputColumn(name=name) for name in self.feature_names)

    @property
    def n_text(self) -> int:
        """Columns of the graph's input `text`; the others are those of `numeric`."""
        return sum(column.is_text for column in self.columns)

    @classmethod
    def from_json(cls, document: bytes) -> Self:
        """The manifest in `document`. Unknown keys are ignored: contracts only grow. Raises ManifestInvalid."""
        try:
            return cls(**_fields(parse(document)))
        except ValueError as error:
            raise ManifestInvalid("manifest-malformed", f"manifest.json: {error}") from error

    def to_json(self) -> bytes:
        """The one way to write this manifest: UTF-8, sorted keys, no spaces, one newline at the end."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"

    def _broken_rule(self) -> str | None:
        names = self.feature_names
        rules = {
            f"schema_version must be {SCHEMA_VERSION}": self.schema_version == SCHEMA_VERSION,
            "algorithm must not be empty": bool(self.algorithm),
            "feature_names must be unique and not empty": bool(names) and all(names) and len(set(names)) == len(names),
            "n_features must be the number of feature_names": self.n_features == len(names),
            "columns must be the features": not self.columns or tuple(c.name for c in self.columns) == names,
            "threshold_interval must hold low <= high": _is_interval(self.threshold_interval),
            "n_reference must be at least 1": self.n_reference is None or self.n_reference >= 1,
            "contamination must be in (0, 0.5]": 0 < self.contamination <= _MAX_CONTAMINATION,
            "threshold must be finite": math.isfinite(self.threshold),
            "n_train must be at least 1, in 63 bits": 1 <= self.n_train <= _MAX_INTEGER,
            "seed must not be negative, in 63 bits": 0 <= self.seed <= _MAX_INTEGER,
            "data_digest must be 64 hex digits": _DIGEST.fullmatch(self.data_digest) is not None,
        }
        return next((rule for rule, holds in rules.items() if not holds), None)


def _fields(value: object) -> dict[str, Any]:
    kinds: dict[str, type] = {
        **dict.fromkeys(("algorithm", "data_digest", "dataset_id", "dataset_version"), str),
        **dict.fromkeys(("schema_version", "n_features", "n_train", "seed"), int),
        **dict.fromkeys(("contamination", "threshold"), float),
        **dict.fromkeys(("parameters", "versions"), dict),
    }
    taken: dict[str, Any] = {name: take(value, name, kind) for name, kind in kinds.items()}
    names, versions = take(value, "feature_names", list), taken["versions"]
    if not all(type(name) is str for name in (*names, *versions.values())):
        raise ValueError("feature_names and versions must hold strings")
    distribution = ScoreDistribution.from_object(take(value, "score_distribution", dict))
    return {**taken, **_later_fields(value), "feature_names": tuple(names), "score_distribution": distribution}


def _later_fields(value: object) -> dict[str, Any]:
    """What the first manifests did not have; null is as good as none."""
    kinds = {
        **dict.fromkeys(("columns", "threshold_interval"), list),
        **dict.fromkeys(("preprocessing", "metrics", "lineage"), dict),
        "n_reference": int,
    }
    given = value if isinstance(value, dict) else {}
    taken: dict[str, Any] = {
        name: take(value, name, kind) for name, kind in kinds.items() if given.get(name) is not None
    }
    if not all(type(value) is str for value in taken.get("lineage", {}).values()):
        raise ValueError("lineage must hold strings")
    if "columns" in taken:
        taken["columns"] = tuple(map(InputColumn.from_object, taken["columns"]))
    if "threshold_interval" in taken:
        interval = dict(enumerate(taken["threshold_interval"]))
        taken["threshold_interval"] = tuple(take({str(key): interval[key]}, str(key), float) for key in interval)
    return taken


def _is_interval(interval: tuple[float, ...] | None) -> bool:
    return interval is None or (len(interval) == 2 and all(map(math.isfinite, interval)) and interval[0] <= interval[1])
