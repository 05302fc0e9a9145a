"""QMCD: how a row adds to the wrap-around discrepancy of the training rows."""

from typing import Any

import numpy as np

from detector_service.compile.family import Family
from detector_service.compile.graph import Graph


def add_qmcd(graph: Graph, rows: str, estimator: Any, training: Any) -> str:  # noqa: ARG001 - Family
    """PyOD's QMCD.decision_function: sum over training rows of the product over features of 3/2 - |d| + d^2.

    d: the difference of the two, with features scaled to [0, 1]. Divided by n_train^2, less (4/3)^n_features, and
    mirrored within the training scores where PyOD does so. A row needs 8 * n_train * n_features bytes.
    """
    reference, scaler = estimator._fitted_data, estimator._scaler  # noqa: SLF001 - PyOD scores with these
    n_train, n_features = reference.shape
    graph.compares_with(n_train)
    graph.needs_bytes_per_row(8 * reference.size)
    scaled = graph.add("Add", graph.add("Mul", rows, graph.constant(scaler.scale_)), graph.constant(scaler.min_))
    apart = graph.add("Unsqueeze", scaled, graph.constant([1], np.int64))
    distance = graph.add("Abs", graph.add("Sub", apart, graph.constant(reference[np.newaxis])))
    curved = graph.add("Mul", distance, graph.add("Sub", distance, graph.constant(1.0)))
    terms = graph.add("Add", curved, graph.constant(1.5))
    products = graph.add("ReduceProd", terms, graph.constant([2], np.int64), keepdims=0)
    total = graph.add("ReduceSum", products, graph.constant([1], np.int64), keepdims=1)
    scores = graph.add(
        "Sub", graph.add("Mul", total, graph.constant(n_train**-2.0)), graph.constant((4 / 3) ** n_features)
    )
    if not estimator._is_flipped:  # noqa: SLF001
        return scores
    ends = estimator.decision_scores_.max() + estimator.decision_scores_.min()
    return graph.add("Sub", graph.constant(ends), scores)


QMCD = Family(add_qmcd)
