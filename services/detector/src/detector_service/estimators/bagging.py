"""One detector many times over, each on columns drawn at random: PyOD's FeatureBagging.

PyOD's own class cannot be imported without a package that is no longer kept, of which it uses a mean and a maximum.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyod.models.base import BaseDetector
from pyod.utils.utility import generate_bagging_indices

from detector_service.algorithms import create_estimator, get_algorithm
from detector_service.compile import FAMILIES, compile_detector

FloatMatrix = NDArray[np.float64]
FloatVector = NDArray[np.float64]

MAX_VALUES = 32_000_000  # 256 MB of a model
_KEEP_ROWS = frozenset({"KNN", "LOF"})
_MAX_SEED = np.iinfo(np.int32).max


class FeatureBagging(BaseDetector):  # type: ignore[misc]  # PyOD is untyped
    """Mean or maximum of the scores of n_estimators base detectors, each fitted on a random subset of the columns.

    Lazarevic & Kumar (2005). Columns and seeds are drawn as PyOD 3.6 draws them: between half of the columns and
    max_features, a count or a share of them; with replacement where bootstrap_features. base_estimator: the name of
    an algorithm, taken with its default parameters. combination: average or max.
    """

    def __init__(  # noqa: PLR0917 - PyOD's signature
        self,
        base_estimator: str = "LOF",
        n_estimators: int = 10,
        contamination: float = 0.1,
        max_features: float = 1.0,
        bootstrap_features: bool = False,
        random_state: int | None = None,
        combination: str = "average",
    ) -> None:
        super().__init__(contamination=contamination)
        self.base_estimator = base_estimator
        self.n_estimators = n_estimators
        self.max_features = max_features
        self.bootstrap_features = bootstrap_features
        self.random_state = random_state
        self.combination = combination

    def fit(self, rows: FloatMatrix, y: None = None) -> "FeatureBagging":
        """Fit every member on rows (n_rows, n_features). Raises ValueError on too few or too many columns."""
        self._set_n_classes(y)
        least, most = self._subset_sizes(rows.shape[1])
        seeds = np.random.RandomState(self.random_state).randint(_MAX_SEED, size=self.n_estimators)
        draws = [np.random.RandomState(seed) for seed in seeds]
        self.features_: list[NDArray[np.int64]] = [
            generate_bagging_indices(draw, self.bootstrap_features, rows.shape[1], least, most + 1) for draw in draws
        ]
        self._check_size(len(rows))
        self.members_ = [
            self._member(draw).fit(rows[:, features]) for draw, features in zip(draws, self.features_, strict=True)
        ]
        self.decision_scores_ = self._combined(
            compile_detector(member, self.base_estimator, rows[:, features]).training_scores
            for member, features in zip(self.members_, self.features_, strict=True)
        )
        self._process_decision_scores()
        return self

    def decision_function(self, rows: FloatMatrix) -> FloatVector:
        """Scores of rows (n_rows, n_features); (n_rows,)."""
        return self._combined(self.member_scores(rows))

    def member_scores(self, rows: FloatMatrix) -> list[FloatVector]:
        """Each member's scores of its columns of rows (n_rows, n_features)."""
        family = FAMILIES[self.base_estimator]
        return [
            family.reference_scores(member, rows[:, features])
            for member, features in zip(self.members_, self.features_, strict=True)
        ]

    def _check_size(self, n_rows: int) -> None:
        n_values = n_rows * sum(map(len, self.features_))
        if self.base_estimator in _KEEP_ROWS and n_values > MAX_VALUES:
            message = f"its {self.n_estimators} members would keep {n_values:,} values, more than {MAX_VALUES:,}"
            raise ValueError(f"{message}: lower n_estimators or max_features")

    def _subset_sizes(self, n_features: int) -> tuple[int, int]:
        """The least and the most columns that a member may get."""
        if n_features < 2:
            raise ValueError("it draws subsets of the columns, and there is only one")
        share = self.max_features
        least, most = n_features // 2, int(share * n_features) if isinstance(share, float) else share
        if not least <= most <= n_features:
            raise ValueError(f"max_features {share} must make {least} to {n_features} of {n_features} columns")
        return least, most

    def _member(self, draw: np.random.RandomState) -> BaseDetector:
        algorithm = get_algorithm(self.base_estimator)
        seed = int(draw.randint(_MAX_SEED)) if algorithm.seeded else 0
        return create_estimator(algorithm, {}, self.contamination, seed)

    def _combined(self, scores: Any) -> FloatVector:
        combine = np.mean if self.combination == "average" else np.max
        return np.asarray(combine(np.column_stack(list(scores)), axis=1), np.float64)
