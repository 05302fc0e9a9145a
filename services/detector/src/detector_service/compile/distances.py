"""Squared Euclidean distances from each row to a set of reference points, and the nearest of them.

Exact ones come from differences, 8 * n_reference * n_features bytes per row. Where that is much, a centred float64
matrix product gives approximate ones, from which more candidates than needed are picked; only their distances are
then computed from differences. Whoever scores many rows does it in blocks.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector_service.compile.graph import Graph
from detector_service.compile.trees import FloatVector

FloatMatrix = NDArray[np.float64]

EPSILON = float(np.finfo(np.float64).eps)
_SPARE_CANDIDATES = 16
_TIE = 1e-9


def add_square_distances(graph: Graph, rows: str, reference: FloatMatrix) -> str:
    """Exact squared distances to `reference` (n_reference, n_features), (n_rows, n_reference)."""
    graph.needs_bytes_per_row(8 * reference.size)
    return _add_squares(graph, rows, graph.constant(reference[np.newaxis]))


def add_quick_square_distances(graph: Graph, rows: str, reference: FloatMatrix, error: float) -> str:
    """Squared distances whose rounding is at most `error` within the reference's range, (n_rows, n_reference).

    By a matrix product where that is precise enough, else from differences. Far out, the error grows as the distance.
    """
    centre = reference.mean(axis=0)
    norms = ((reference - centre) ** 2).sum(axis=1)
    if not rounding_of_products(norms.max(), reference.shape[1]) <= error:
        return add_square_distances(graph, rows, reference)
    graph.needs_bytes_per_row(8 * len(reference))
    centred = graph.add("Sub", rows, graph.constant(centre))
    own = graph.add("ReduceSumSquare", centred, graph.constant([1], np.int64), keepdims=1)
    rest = _add_products(graph, centred, graph.constant(reference - centre), norms)
    return graph.add("Max", graph.add("Add", rest, own), graph.constant(0.0))


def rounding_of_products(square_norm: Any, n_features: int) -> Any:
    """A bound of the rounding of a squared distance taken as |x|^2 + |r|^2 - 2 x.r, both norms at most the given."""
    return 4 * EPSILON * (n_features + 4) * square_norm


class Nearest(NamedTuple):
    """Names of: distances, ascending, and numbers of the nearest training rows, each (n_rows, k); the rows and the
    training rows less the training's mean, (n_rows, n_features) and (n_train, n_features)."""

    distances: str
    numbers: str
    centred: str
    reference: str


def add_nearest(graph: Graph, rows: str, training: FloatMatrix, k: int) -> Nearest:
    """The k nearest training rows of each row."""
    n_train, n_features = training.shape
    graph.compares_with(n_train)
    n_candidates = min(n_train, 2 * k + _SPARE_CANDIDATES)
    graph.needs_bytes_per_row(8 * max(n_train, n_candidates * n_features))
    centre = training.mean(axis=0)
    centred = graph.add("Sub", rows, graph.constant(centre))
    reference = graph.constant(training - centre)
    rest = _add_products(graph, centred, reference, ((training - centre) ** 2).sum(axis=1))
    candidates = graph.top_k_smallest(rest, n_candidates)[1]
    squares = _add_squares(graph, centred, graph.add("Gather", reference, candidates))
    nearest, position = graph.top_k_smallest(squares, k)
    numbers = graph.add("GatherElements", candidates, position, axis=1)
    return Nearest(graph.add("Sqrt", nearest), numbers, centred, reference)


def add_mean(graph: Graph, values: str) -> str:
    """Mean of each row of `values`, (n_rows, 1)."""
    return graph.add("ReduceMean", values, graph.constant([1], np.int64), keepdims=1)


def doubt_of_ties(distances: FloatMatrix, k: int) -> FloatVector:
    """Infinity where the k-th and the next distance are the same but for rounding, zero elsewhere; (n_rows,).

    Which of the two counts is any implementation's choice. distances: (n_rows, >= k + 1), ascending.
    """
    tied = distances[:, k] <= distances[:, k - 1] * (1 + _TIE)
    return np.where(tied, np.inf, 0.0)


def _add_squares(graph: Graph, rows: str, points: str) -> str:
    """Of rows (n_rows, n_features) and points (n_rows or 1, m, n_features): (n_rows, m)."""
    differences = graph.add("Sub", graph.add("Unsqueeze", rows, graph.constant([1], np.int64)), points)
    return graph.add("ReduceSumSquare", differences, graph.constant([2], np.int64), keepdims=0)


def _add_products(graph: Graph, rows: str, reference: str, square_norms: FloatVector) -> str:
    """|r|^2 - 2 x.r of each row x and reference point r, (n_rows, n_reference)."""
    norms = graph.constant(square_norms)
    return graph.add("Gemm", rows, reference, norms, alpha=-2.0, beta=1.0, transB=1)
