"""Detectors that learn from a few rows alone: which rows they draw from how many, and the fit on just those.

The rows, and all that is learned from them, are what PyOD's own fit on every row would have taken with the same seed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatMatrix = NDArray[np.float64]
FloatVector = NDArray[np.float64]
IntVector = NDArray[np.int64]

_MAX_SEED = np.iinfo(np.int32).max
_DRAW_BLOCK = 2**20


@dataclass(frozen=True)
class Subsampler:
    """draw: (estimator, n_rows, n_features) to the numbers of the rows that the fit looks at, ascending, from 0.

    fit: (estimator, numbers, rows, n_rows) fits to rows (len(numbers), n_features), those of the numbers among n_rows.
    shift: (estimator, scores) completes the fit with the graph's scores of all rows, (n_rows,), and returns what has
    to be added to them.
    """

    draw: Callable[[Any, int, int], IntVector]
    fit: Callable[[Any, IntVector, FloatMatrix, int], None]
    shift: Callable[[Any, FloatVector], float]


def _share(wanted: Any, whole: int, auto: int) -> int:
    """A count out of a count, a share or "auto", at most the whole."""
    if wanted == "auto":
        return min(auto, whole)
    return int(wanted * whole) if isinstance(wanted, float) else min(int(wanted), whole)


def _forest_draws(estimator: Any, n_rows: int, n_features: int) -> list[tuple[IntVector, IntVector]]:
    """Columns and rows of each tree, as scikit-learn's IsolationForest draws them."""
    from sklearn.ensemble._bagging import _generate_bagging_indices  # noqa: PLC0415 - a slow import

    seeds = np.random.RandomState(estimator.random_state).randint(_MAX_SEED, size=estimator.n_estimators)
    n_taken = _share(estimator.max_samples, n_rows, 256)
    n_columns = max(1, _share(estimator.max_features, n_features, n_features))
    return [
        _generate_bagging_indices(seed, False, estimator.bootstrap, n_features, n_rows, n_columns, n_taken, None)
        for seed in seeds
    ]


def _draw_forest(estimator: Any, n_rows: int, n_features: int) -> IntVector:
    return np.unique(np.concatenate([drawn for _, drawn in _forest_draws(estimator, n_rows, n_features)]))


def _fit_forest(estimator: Any, numbers: IntVector, rows: FloatMatrix, n_rows: int) -> None:
    """scikit-learn weighs the rows of a tree by how often it drew them, and all others with zero: they leave no trace.

    Private parts of scikit-learn, whose version is pinned; the tests hold the trees against those of a fit on all rows.
    """
    forest = _frame(estimator, rows, _share(estimator.max_samples, n_rows, 256))
    inputs, targets = rows.astype(np.float32), _targets(estimator.random_state, n_rows, numbers)
    forest.estimators_, forest.estimators_features_ = [], []
    draws = _forest_draws(estimator, n_rows, rows.shape[1])
    for seed, (features, drawn) in zip(forest._seeds, draws, strict=True):  # noqa: SLF001
        weights = np.bincount(np.searchsorted(numbers, drawn), minlength=len(numbers))
        tree = forest._make_estimator(append=False, random_state=seed)  # noqa: SLF001
        tree.fit(np.ascontiguousarray(inputs[:, features]), targets, sample_weight=weights, check_input=False)
        forest.estimators_.append(tree)
        forest.estimators_features_.append(features)
    _take_lengths(forest)
    estimator.detector_ = forest


def _frame(estimator: Any, rows: FloatMatrix, n_taken: int) -> Any:
    """A forest with all that does not depend on its trees, which are still to be grown."""
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415 - a slow import

    few = rows[: max(2, n_taken)]
    names = ("n_estimators", "max_features", "bootstrap", "random_state")
    given = {name: getattr(estimator, name) for name in names}
    forest = IsolationForest(**given, max_samples=min(n_taken, len(few)), contamination="auto").fit(few)
    forest.max_samples_ = forest._max_samples = n_taken  # noqa: SLF001
    forest.estimator_.max_depth = int(np.ceil(np.log2(max(n_taken, 2))))
    forest.offset_ = 0.0  # until the scores of all rows are known
    return forest


def _take_lengths(forest: Any) -> None:
    """What scikit-learn keeps of its trees to score with."""
    from sklearn.ensemble._iforest import _average_path_length  # noqa: PLC0415 - a slow import

    trees = [tree.tree_ for tree in forest.estimators_]
    forest._average_path_length_per_tree = tuple(_average_path_length(tree.n_node_samples) for tree in trees)  # noqa: SLF001
    forest._decision_path_lengths = tuple(tree.compute_node_depths() for tree in trees)  # noqa: SLF001


def _targets(seed: int, n_rows: int, numbers: IntVector) -> FloatVector:
    """The random numbers that scikit-learn gives the rows as targets, of those rows: a part of all at a time."""
    random, found = np.random.RandomState(seed), []
    for begin in range(0, n_rows, _DRAW_BLOCK):
        block = random.uniform(size=min(_DRAW_BLOCK, n_rows - begin))
        first, last = np.searchsorted(numbers, (begin, begin + len(block)))
        found.append(block[numbers[first:last] - begin])
    return np.concatenate(found)


def _shift_forest(estimator: Any, scores: FloatVector) -> float:
    """scikit-learn's offset_, the contamination's percentile of its scores, which are the negative of these."""
    offset = -float(np.percentile(scores, 100.0 * (1.0 - estimator.contamination)))
    estimator.detector_.offset_ = offset
    return offset


class _Recorder:
    """Rows of zeros that note which of them were asked for."""

    def __init__(self, n_rows: int, n_features: int) -> None:
        self.shape, self.asked = (n_rows, n_features), [np.empty(0, np.int64)]

    def __getitem__(self, numbers: IntVector) -> FloatMatrix:
        self.asked.append(numbers)
        return np.zeros((len(numbers), self.shape[1]))


class _Chosen:
    """Some rows, under the numbers that they have among all."""

    def __init__(self, numbers: IntVector, rows: FloatMatrix, n_rows: int) -> None:
        self.shape, self._numbers, self._rows = (n_rows, rows.shape[1]), numbers, rows

    def __getitem__(self, numbers: IntVector) -> FloatMatrix:
        return self._rows[np.searchsorted(self._numbers, numbers)]


def _draw_spheres(estimator: Any, n_rows: int, n_features: int) -> IntVector:
    recorder = _Recorder(n_rows, n_features)
    estimator.max_samples_ = _share(estimator.max_samples, n_rows, 8)
    estimator._fit(recorder)  # noqa: SLF001 - PyOD's own draw, of rows that it only indexes
    return np.unique(np.concatenate(recorder.asked))


def _fit_spheres(estimator: Any, numbers: IntVector, rows: FloatMatrix, n_rows: int) -> None:
    estimator.max_samples_ = _share(estimator.max_samples, n_rows, 8)
    estimator._fit(_Chosen(numbers, rows, n_rows))  # noqa: SLF001


def _unshifted(estimator: Any, scores: FloatVector) -> float:  # noqa: ARG001 - a subsampler's signature
    return 0.0


SUBSAMPLERS: Mapping[str, Subsampler] = {
    "IForest": Subsampler(_draw_forest, _fit_forest, _shift_forest),
    "INNE": Subsampler(_draw_spheres, _fit_spheres, _unshifted),
}
