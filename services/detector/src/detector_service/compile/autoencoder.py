"""Autoencoders: how far what a network gives back lies from what it was given."""

from typing import Any

import numpy as np

from detector_service.compile.family import Family
from detector_service.compile.graph import Graph
from detector_service.compile.layers import add_float32, add_layers

_EPSILON = 1e-8  # that PyOD adds to each standard deviation


def add_autoencoder(graph: Graph, rows: str, estimator: Any, training: Any) -> str:  # noqa: ARG001 - Family
    """PyOD's AutoEncoder.decision_function."""
    model = estimator.model
    standard = add_standardised(graph, rows, (estimator.X_mean, estimator.X_std) if estimator.preprocessing else None)
    return _add_distance(graph, standard, add_layers(graph, standard, [model.encoder, model.decoder]))


def add_vae(graph: Graph, rows: str, estimator: Any, training: Any) -> str:  # noqa: ARG001 - Family
    """PyOD's VAE.decision_function with the mean of a row's code in the place of a draw."""
    model = estimator.model
    standard = add_standardised(graph, rows, (estimator.X_mean, estimator.X_std) if estimator.preprocessing else None)
    decoded = add_layers(graph, standard, [model.encoder, model.encoder_mu, model.decoder])
    return _add_distance(graph, standard, decoded)


def add_ae1svm(graph: Graph, rows: str, estimator: Any, training: Any) -> str:  # noqa: ARG001 - Family
    """PyOD's AE1SVM.decision_function."""
    model = estimator.model
    standard = add_standardised(graph, rows, (estimator.mean, estimator.std) if estimator.preprocessing else None)
    return _add_distance(graph, standard, add_layers(graph, standard, [model.encoder, model.decoder]))


def add_standardised(graph: Graph, rows: str, scaling: tuple[Any, Any] | None) -> str:
    """(rows - mean) / (deviation + 1e-8), as PyOD's data set has it, in float32's precision. scaling: (mean,
    deviation), (n_features,) each, or None to leave the rows as they are."""
    if scaling is None:
        return add_float32(graph, rows)
    mean, deviation = scaling
    centred = graph.add("Sub", rows, graph.constant(mean))
    return add_float32(graph, graph.add("Div", centred, graph.constant(deviation + _EPSILON)))


def _add_distance(graph: Graph, rows: str, others: str) -> str:
    difference = graph.add("Sub", rows, others)
    return graph.add("Sqrt", graph.add("ReduceSumSquare", difference, graph.constant([1], np.int64), keepdims=1))


AUTO_ENCODER = Family(add_autoencoder)
VAE = Family(add_vae)
AE1SVM = Family(add_ae1svm)
