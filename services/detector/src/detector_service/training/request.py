"""What is to be trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from detector_service.features import SourceColumn


@dataclass(frozen=True, kw_only=True)
class FitRequest:
    """What to train. contamination: in (0, 0.5]. seed: in 0..2**32 - 1. feature_names: one per column, in order.

    columns: what they hold and what becomes of them, of the same names; none are all numbers, none missing.
    preprocessing: the settings that led to that, for the manifest. lineage: further origins, for the manifest.
    """

    algorithm: str
    parameters: Mapping[str, Any]
    contamination: float
    seed: int
    feature_names: tuple[str, ...]
    dataset_id: str
    dataset_version: str
    columns: tuple[SourceColumn, ...] = ()
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    lineage: Mapping[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> tuple[SourceColumn, ...]:
        """What each feature is made of."""
        return self.columns or tuple(SourceColumn(name=name) for name in self.feature_names)
