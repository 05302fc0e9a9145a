"""DeepSVDD: the squared distance of a representation from a centre."""

from typing import Any

import numpy as np

from detector_service.compile.family import Family
from detector_service.compile.graph import Graph
from detector_service.compile.layers import add_float32, add_layers, add_weights


def add_deepsvdd(graph: Graph, rows: str, estimator: Any, training: Any) -> str:  # noqa: ARG001 - Family
    """PyOD's DeepSVDD.decision_function."""
    if estimator.preprocessing:
        rows = graph.add("Sub", rows, graph.constant(estimator.scaler_.mean_))
        rows = graph.add("Div", rows, graph.constant(estimator.scaler_.scale_))
    representation = add_layers(graph, add_float32(graph, rows), estimator.model_.model)
    difference = graph.add("Sub", representation, add_weights(graph, estimator.c_.numpy()))
    return graph.add("ReduceSumSquare", difference, graph.constant([1], np.int64), keepdims=1)


DEEP_SVDD = Family(add_deepsvdd)
