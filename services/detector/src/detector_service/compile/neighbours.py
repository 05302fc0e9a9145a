"""KNN and LOF: nearest training rows by Euclidean distance.

A centred float64 matrix product gives approximate squared distances to all training rows, from which more
candidates than needed are picked; their distances are then computed from differences. Memory: 8 * n_train bytes per
row for the first step and 8 * n_candidates * n_features for the second; whoever scores many rows does it in blocks.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector_service.compile.graph import INPUT, Graph
from detector_service.compile.trees import FloatVector

_SPARE_CANDIDATES = 16
_LRD_FLOOR = 1e-10  # scikit-learn's guard against a density of 1/0 among duplicates


def add_knn(graph: Graph, estimator: Any, training: NDArray[np.float64]) -> str:
    """PyOD's KNN.decision_function: largest, mean or median distance to the k nearest training rows."""
    k = int(estimator.n_neighbors)
    distances, _ = _add_nearest(graph, training, k)
    if estimator.method == "largest":
        return _add_column_mean(graph, distances, [k - 1])
    if estimator.method == "mean":
        return _add_column_mean(graph, distances, range(k))
    return _add_column_mean(graph, distances, {(k - 1) // 2, k // 2})


def add_lof(graph: Graph, estimator: Any, training: NDArray[np.float64]) -> str:
    """PyOD's LOF.decision_function (novelty): mean density of the neighbours over the row's own density.

    Breunig et al. (2000), definitions 5 to 7. A training row is a neighbour of its own copy.
    """
    detector = estimator.detector_
    k = int(detector.n_neighbors_)
    distances, indices = _add_nearest(graph, training, k)
    k_distances, densities = _training_neighbourhoods(detector)
    reach = graph.add("Max", distances, graph.add("Gather", graph.constant(k_distances), indices))
    mean_reach = graph.add("Add", _add_mean(graph, reach), graph.constant(_LRD_FLOOR))
    neighbour_density = _add_mean(graph, graph.add("Gather", graph.constant(densities), indices))
    return graph.add("Mul", neighbour_density, mean_reach)


def _training_neighbourhoods(detector: Any) -> tuple[FloatVector, FloatVector]:
    """Distance to the k-th neighbour and local reachability density of each training row, each (n_train,)."""
    distances = detector._distances_fit_X_
    return distances[:, detector.n_neighbors_ - 1], detector._lrd  # noqa: SLF001 - scikit-learn scores with these


def _add_nearest(graph: Graph, training: NDArray[np.float64], k: int) -> tuple[str, str]:
    """Distances to the k nearest training rows, ascending, and their numbers, each (n_rows, k)."""
    n_train, n_features = training.shape
    n_candidates = min(n_train, 2 * k + _SPARE_CANDIDATES)
    graph.working_bytes_per_row = 8 * max(n_train, n_candidates * n_features)
    centre = training.mean(axis=0)
    rows = graph.add("Sub", INPUT, graph.constant(centre))
    reference = graph.constant(training - centre)
    candidates = _add_candidates(graph, rows, reference, ((training - centre) ** 2).sum(axis=1), n_candidates)
    near = graph.add("Gather", reference, candidates)
    differences = graph.add("Sub", graph.add("Unsqueeze", rows, graph.constant([1], np.int64)), near)
    squares = graph.add("ReduceSumSquare", differences, graph.constant([2], np.int64), keepdims=0)
    nearest, position = graph.top_k_smallest(squares, k)
    return graph.add("Sqrt", nearest), graph.add("GatherElements", candidates, position, axis=1)


def _add_candidates(graph: Graph, rows: str, reference: str, square_norms: FloatVector, count: int) -> str:
    """Numbers of the `count` training rows r with the smallest |r|^2 - 2 x.r, (n_rows, count)."""
    norms = graph.constant(square_norms)
    scores = graph.add("Gemm", rows, reference, norms, alpha=-2.0, beta=1.0, transB=1)
    return graph.top_k_smallest(scores, count)[1]


def _add_column_mean(graph: Graph, values: str, columns: Any) -> str:
    """Mean of the given columns of `values`, (n_rows, 1)."""
    return _add_mean(graph, graph.add("Gather", values, graph.constant(sorted(columns), np.int64), axis=1))


def _add_mean(graph: Graph, values: str) -> str:
    return graph.add("ReduceMean", values, graph.constant([1], np.int64), keepdims=1)
