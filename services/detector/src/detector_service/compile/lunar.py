"""LUNAR: a network on the distances to the nearest rows."""

from typing import Any

import numpy as np
from onnx import TensorProto

from detector_service.compile.distances import add_nearest
from detector_service.compile.family import Family
from detector_service.compile.graph import Graph
from detector_service.compile.layers import add_float32, add_float64, add_layers


def add_lunar(graph: Graph, rows: str, estimator: Any, training: Any) -> str:  # noqa: ARG001 - Family
    """PyOD's LUNAR.decision_function. Neighbours are sought among most training rows and the anomalies made up
    beside them; rows are scaled in float32, as PyOD scales them, since what it rounds away may be all there is."""
    scaler = estimator.scaler_
    scaled = graph.add("Cast", add_float32(graph, rows), to=TensorProto.FLOAT)
    scaled = graph.add("Mul", scaled, graph.constant(scaler.scale_, np.float32))
    scaled = graph.add("Add", scaled, graph.constant(scaler.min_, np.float32))
    scaled = add_float32(graph, add_float64(graph, scaled))
    reference = estimator.neigh._fit_X.astype(np.float64)  # noqa: SLF001 - scikit-learn's rows have no other name
    distances = add_float32(graph, add_nearest(graph, scaled, reference, estimator.n_neighbours).distances)
    network = estimator.network
    if estimator.model_type == "SCORE":
        return add_layers(graph, distances, network.network)
    axis = graph.constant([1], np.int64)
    shares = graph.add("Softmax", add_layers(graph, distances, network.network), axis=1)
    weighted = graph.add("ReduceSum", graph.add("Mul", shares, distances), axis, keepdims=1)
    return add_layers(graph, weighted, [network.final_norm])


LUNAR = Family(add_lunar)
