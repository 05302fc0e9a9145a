"""LODA: histograms of random projections, summed by one TreeEnsemble node."""

from typing import Any

import numpy as np

from detector_service.compile.distances import EPSILON, FloatMatrix
from detector_service.compile.family import Family
from detector_service.compile.graph import Graph
from detector_service.compile.trees import FloatVector, StepFunction, add_tree_ensemble, balanced_tree


def add_loda(graph: Graph, rows: str, estimator: Any, training: FloatMatrix) -> str:
    """PyOD's LODA.decision_function: mean over projections of -log(share of training rows in x's bin) / n_projections.

    The lowest cut of each histogram is the smallest projection of a training row, so that rounding decides which side
    of it that row falls on, in PyOD by the size of the batch: each cut is raised by more than rounding.
    """
    projections = estimator.projections_
    reach = rounding(projections, np.abs(training).max(axis=0, keepdims=True))[0]
    trees = [
        balanced_tree(projection_steps(estimator, i, float(reach[i])).merged(), i) for i in range(len(projections))
    ]
    projected = graph.add("MatMul", rows, graph.constant(projections.T))
    graph.needs_bytes_per_row(8 * len(projections))
    return add_tree_ensemble(graph, projected, trees)


def projection_steps(estimator: Any, index: int, reach: float) -> StepFunction:
    """The addend of one projection, with its cuts raised by `reach`."""
    shares = estimator.histograms_[index]
    cuts = estimator.limits_[index][: len(shares) - 1]
    values = -estimator.weights[index] * np.log(shares) / estimator.n_random_cuts
    return StepFunction(cuts + reach, values)


def rounding(projections: FloatMatrix, rows: FloatMatrix) -> FloatMatrix:
    """A bound of the rounding of each row's projections, (n_rows, n_projections)."""
    bound: FloatMatrix = 4 * EPSILON * (rows.shape[1] + 2) * (np.abs(rows) @ np.abs(projections).T)
    return bound


def doubt(estimator: Any, rows: FloatMatrix) -> FloatVector:
    """Rows with a projection on a cut, but for rounding, and for what the cuts were raised by.

    A row of zeros, as categories make them, has no rounding of its own; the cuts are raised by that of the largest.
    """
    projections = estimator.projections_
    projected, reach = rows @ projections.T, rounding(projections, np.abs(rows).max(axis=0, keepdims=True))
    tied = np.zeros(len(rows), np.bool_)
    for index, limits in enumerate(estimator.limits_):
        gaps = np.abs(projected[:, index, np.newaxis] - limits[:-2])
        allowed = reach[:, index, np.newaxis] + 8 * EPSILON * np.abs(limits[:-2])
        tied |= (gaps <= 2 * allowed).any(axis=1)
    return np.where(tied, np.inf, 0.0)


LODA = Family(add_loda, doubt)
