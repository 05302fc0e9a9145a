"""PCA: weighted distances to the selected eigenvectors."""

from typing import Any

import numpy as np

from detector_service.compile.graph import INPUT, Graph


def add_pca(graph: Graph, estimator: Any, training: Any) -> str:  # noqa: ARG001 - a family's signature
    """PyOD's PCA.decision_function: sum over the selected eigenvectors v of |z - v| / (weight of v).

    z is x, standardised where the detector does so. Differences are taken before squaring, for x close to v, so a
    row needs 8 * n_selected * n_features bytes.
    """
    components = estimator.selected_components_
    standardised = _add_scaling(graph, estimator) if estimator.standardization else INPUT
    rows = graph.add("Unsqueeze", standardised, graph.constant([1], np.int64))
    differences = graph.add("Sub", rows, graph.constant(components[np.newaxis]))
    graph.working_bytes_per_row = 8 * components.size
    squares = graph.add("ReduceSumSquare", differences, graph.constant([2], np.int64), keepdims=0)
    weighted = graph.add("Div", graph.add("Sqrt", squares), graph.constant(estimator.selected_w_components_))
    return graph.add("ReduceSum", weighted, graph.constant([1], np.int64), keepdims=1)


def _add_scaling(graph: Graph, estimator: Any) -> str:
    centred = graph.add("Sub", INPUT, graph.constant(estimator.scaler_.mean_))
    return graph.add("Div", centred, graph.constant(estimator.scaler_.scale_))
