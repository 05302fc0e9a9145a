"""HDBSCAN: how loosely the nearest training rows belong to their clusters."""

from typing import Any

import numpy as np

from detector_service.compile.distances import FloatMatrix, add_nearest, doubt_of_ties, rounding_of_products
from detector_service.compile.family import Family
from detector_service.compile.graph import Graph
from detector_service.compile.trees import FloatVector

_NEAR = 1e-10  # PyOD's guard against the weight of a distance of zero


def add_hdbscan(graph: Graph, rows: str, estimator: Any, training: FloatMatrix) -> str:
    """PyOD's HDBSCAN.decision_function: mean of the neighbours' training scores, weighted by 1 / (distance + 1e-10)."""
    nearest = add_nearest(graph, rows, training, int(estimator.tree_.n_neighbors))
    axis = graph.constant([1], np.int64)
    weights = graph.add("Reciprocal", graph.add("Add", nearest.distances, graph.constant(_NEAR)))
    scores = graph.add("Gather", graph.constant(estimator.decision_scores_), nearest.numbers)
    total = graph.add("ReduceSum", graph.add("Mul", weights, scores), axis, keepdims=1)
    return graph.add("Div", total, graph.add("ReduceSum", weights, axis, keepdims=1))


def doubt(estimator: Any, rows: FloatMatrix) -> FloatVector:
    """Rows whose k-th and next neighbour are equally far; and the rounding of PyOD's distances."""
    tree, training = estimator.tree_, estimator.X_train_
    k = int(tree.n_neighbors)
    moved = _moved(estimator, rows) if tree._fit_method == "brute" else np.zeros(len(rows))  # noqa: SLF001
    if k == len(training):
        return moved
    return moved + doubt_of_ties(tree.kneighbors(rows, n_neighbors=k + 1)[0], k)


def _moved(estimator: Any, rows: FloatMatrix) -> FloatVector:
    """A bound of what rounding does to the score where scikit-learn takes distances from products, (n_rows,).

    It does so beyond 15 features; a row is then up to some 1e-8 of its length from its own copy.
    """
    training = estimator.X_train_
    distances, numbers = estimator.tree_.kneighbors(rows)
    norms = (rows**2).sum(axis=1) + (training**2).sum(axis=1).max()
    error = rounding_of_products(norms, rows.shape[1])[:, np.newaxis]
    low = 1 / (np.sqrt(distances**2 + error) + _NEAR)
    high = 1 / (np.sqrt(np.maximum(distances**2 - error, 0)) + _NEAR)
    scores = estimator.decision_scores_[numbers]
    mean = np.average(scores, axis=1, weights=1 / (distances + _NEAR)).reshape(-1, 1)
    bound: FloatVector = ((high - low) * np.abs(scores - mean)).sum(axis=1) / low.sum(axis=1)
    return bound


HDBSCAN = Family(add_hdbscan, doubt, keeps_training_scores=True)
