"""KDE: how unlikely a row is under a Gaussian around each training row."""

from typing import Any

import numpy as np

from detector_service.compile.distances import FloatMatrix, add_quick_square_distances
from detector_service.compile.family import Family
from detector_service.compile.gmm import add_log_sum_exp
from detector_service.compile.graph import Graph

_EXPONENT_ERROR = 1e-9


def add_kde(graph: Graph, rows: str, estimator: Any, training: FloatMatrix) -> str:
    """PyOD's KDE.decision_function: minus the log of the mean over training rows r of N(x; r, bandwidth^2)."""
    n_train, n_features = training.shape
    graph.compares_with(n_train)
    bandwidth = float(estimator.kde_.bandwidth_)
    squares = add_quick_square_distances(graph, rows, training, _EXPONENT_ERROR * bandwidth**2)
    log_sum = add_log_sum_exp(graph, graph.add("Mul", squares, graph.constant(-0.5 / bandwidth**2)))
    norm = np.log(n_train) + n_features * (np.log(bandwidth) + 0.5 * np.log(2 * np.pi))
    return graph.add("Sub", graph.constant(norm), log_sum)


KDE = Family(add_kde)
