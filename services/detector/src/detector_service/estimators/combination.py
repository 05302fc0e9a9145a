"""Several detectors as one: their scores, brought to one scale, averaged or maximised."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyod.models.base import BaseDetector

from detector_service.algorithms import create_estimator, get_algorithm
from detector_service.compile import FAMILIES, compile_detector

FloatMatrix = NDArray[np.float64]
FloatVector = NDArray[np.float64]

_ROUNDING = 1e-9  # of its largest score: a member whose scores vary by less gives all rows the same


class Combination(BaseDetector):  # type: ignore[misc]  # PyOD is untyped
    """Mean, maximum, average of maxima (AOM) or maximum of averages (MOA) of standardised scores.

    Aggarwal & Sathe (2015), Theoretical foundations and algorithms for outlier ensembles. Each member scores with its
    default parameters; its scores are standardised by the mean and deviation of its training scores. AOM and MOA put
    the members into n_buckets buckets, in turn.
    """

    def __init__(
        self,
        contamination: float = 0.1,
        detectors: Sequence[str] = ("IForest", "ECOD", "HBOS", "PCA"),
        method: str = "average",
        n_buckets: int = 2,
        random_state: int | None = None,
    ) -> None:
        super().__init__(contamination=contamination)
        self.detectors = detectors
        self.method = method
        self.n_buckets = n_buckets
        self.random_state = random_state

    def fit(self, rows: FloatMatrix, y: None = None) -> "Combination":
        """Fit every member on rows (n_rows, n_features). Raises ValueError where one gives no finite score."""
        self._set_n_classes(y)
        seed = self.random_state or 0
        self.members_ = [
            create_estimator(get_algorithm(name), {}, self.contamination, seed).fit(rows) for name in self.detectors
        ]
        for name, member in zip(self.detectors, self.members_, strict=True):
            if not np.isfinite(member.decision_scores_).all():
                raise ValueError(f"{name} gives no finite score on it; leave {name} out")
        named = zip(self.detectors, self.members_, strict=True)
        scores = np.column_stack([compile_detector(member, name, rows).training_scores for name, member in named])
        spreads = scores.std(axis=0)
        varies = spreads > _ROUNDING * np.abs(scores).max(axis=0)
        self.means_, self.spreads_ = scores.mean(axis=0), np.where(varies, spreads, 1.0)
        self.decision_scores_ = self._combined(scores)
        self._process_decision_scores()
        return self

    def decision_function(self, rows: FloatMatrix) -> FloatVector:
        """Scores of rows (n_rows, n_features); (n_rows,)."""
        named = zip(self.detectors, self.members_, strict=True)
        return self._combined(
            np.column_stack([FAMILIES[name].reference_scores(member, rows) for name, member in named])
        )

    def buckets(self) -> list[list[int]]:
        """The numbers of the members of each bucket; every one in its own where buckets play no part."""
        n_members = len(self.detectors)
        n_buckets = min(self.n_buckets, n_members) if self.method in ("aom", "moa") else n_members
        return [list(range(first, n_members, n_buckets)) for first in range(n_buckets)]

    def _combined(self, scores: FloatMatrix) -> FloatVector:
        standard = (scores - self.means_) / self.spreads_
        within, across = (np.max, np.mean) if self.method in ("average", "aom") else (np.mean, np.max)
        of_buckets = np.column_stack([within(standard[:, bucket], axis=1) for bucket in self.buckets()])
        combined: Any = across(of_buckets, axis=1)
        return np.asarray(combined, np.float64)
