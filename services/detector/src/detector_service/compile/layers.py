"""The layers of a PyTorch network, in evaluation, as nodes in float64.

Written from the modules one by one, so that names and order of the nodes depend on nothing else, whatever version of
PyTorch trained them. The weights are kept as the float32 numbers that they are; a runtime widens them once, on loading.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from onnx import TensorProto

from detector_service.compile.graph import Graph

_FLOAT32_MAX = float(np.finfo(np.float32).max)


def add_float32(graph: Graph, values: str) -> str:
    """The values rounded to float32, as which PyOD's networks get them; beyond its range, its largest."""
    least, most = graph.constant(-_FLOAT32_MAX), graph.constant(_FLOAT32_MAX)
    return add_float64(graph, graph.add("Cast", graph.add("Clip", values, least, most), to=TensorProto.FLOAT))


def add_float64(graph: Graph, values: str) -> str:
    """The values as float64."""
    return graph.add("Cast", values, to=TensorProto.DOUBLE)


def add_weights(graph: Graph, weights: Any) -> str:
    """float32 numbers, stored as such, for use in float64."""
    return add_float64(graph, graph.constant(weights, np.float32))


def add_layers(graph: Graph, values: str, layers: Iterable[Any]) -> str:
    """Modules one after the other, of values (n_rows, n). Raises KeyError on a kind of module that is not known."""
    for layer in layers:
        values = _LAYERS[type(layer).__name__](graph, values, layer)
    return values


def _add_sequence(graph: Graph, values: str, sequence: Any) -> str:
    return add_layers(graph, values, sequence)


def _add_block(graph: Graph, values: str, block: Any) -> str:
    """PyOD's LinearBlock: the order is that of its forward pass, not of its modules."""
    layers = [block.linear]
    layers += [block.bn] if block.batch_norm else []
    layers += [block.activation] if block.has_act else []
    return add_layers(graph, values, layers)


def _add_linear(graph: Graph, values: str, layer: Any) -> str:
    graph.needs_bytes_per_row(8 * layer.out_features)
    weights = add_weights(graph, layer.weight.detach().numpy().T)
    if layer.bias is None:
        return graph.add("MatMul", values, weights)
    return graph.add("Gemm", values, weights, add_weights(graph, layer.bias.detach().numpy()))


def _add_batch_norm(graph: Graph, values: str, layer: Any) -> str:
    """By the mean and the variance of the training."""
    mean, variance, weight, bias = (
        numbers.detach().numpy().astype(np.float64)
        for numbers in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    )
    centred = graph.add("Sub", values, graph.constant(mean))
    scaled = graph.add("Mul", centred, graph.constant(weight / np.sqrt(variance + layer.eps)))
    return graph.add("Add", scaled, graph.constant(bias))


def _add_layer_norm(graph: Graph, values: str, layer: Any) -> str:
    axis = graph.constant([1], np.int64)
    centred = graph.add("Sub", values, graph.add("ReduceMean", values, axis, keepdims=1))
    variance = graph.add("ReduceMean", graph.add("Mul", centred, centred), axis, keepdims=1)
    deviation = graph.add("Sqrt", graph.add("Add", variance, graph.constant(layer.eps)))
    scaled = graph.add("Mul", graph.add("Div", centred, deviation), add_weights(graph, layer.weight.detach().numpy()))
    return graph.add("Add", scaled, add_weights(graph, layer.bias.detach().numpy()))


def _add_nothing(graph: Graph, values: str, layer: Any) -> str:  # noqa: ARG001 - a layer's signature
    return values


def _add_relu(graph: Graph, values: str, layer: Any) -> str:  # noqa: ARG001 - a layer's signature
    return graph.add("Relu", values)


def _add_sigmoid(graph: Graph, values: str, layer: Any) -> str:  # noqa: ARG001 - a layer's signature
    return graph.add("Sigmoid", values)


def _add_tanh(graph: Graph, values: str, layer: Any) -> str:  # noqa: ARG001 - a layer's signature
    return graph.add("Tanh", values)


def _add_elu(graph: Graph, values: str, layer: Any) -> str:
    """x above 0, alpha (exp(x) - 1) below: the runtime has it in float32 only."""
    below = graph.add("Sub", graph.add("Exp", _add_negative_part(graph, values)), graph.constant(1.0))
    return graph.add("Add", graph.add("Relu", values), graph.add("Mul", below, graph.constant(float(layer.alpha))))


def _add_leaky_relu(graph: Graph, values: str, layer: Any) -> str:
    below = graph.add("Mul", _add_negative_part(graph, values), graph.constant(float(layer.negative_slope)))
    return graph.add("Add", graph.add("Relu", values), below)


def _add_softplus(graph: Graph, values: str, layer: Any) -> str:
    """log(1 + exp(x)), and x itself above the threshold; PyOD leaves beta at 1."""
    threshold = graph.constant(float(layer.threshold))
    exponential = graph.add("Exp", graph.add("Min", values, threshold))
    curve = graph.add("Log", graph.add("Add", exponential, graph.constant(1.0)))
    return graph.add("Where", graph.add("Greater", values, threshold), values, curve)


def _add_negative_part(graph: Graph, values: str) -> str:
    return graph.add("Min", values, graph.constant(0.0))


_LAYERS: Mapping[str, Callable[[Graph, str, Any], str]] = {
    "BatchNorm1d": _add_batch_norm,
    "Dropout": _add_nothing,
    "ELU": _add_elu,
    "Identity": _add_nothing,
    "LayerNorm": _add_layer_norm,
    "LeakyReLU": _add_leaky_relu,
    "Linear": _add_linear,
    "LinearBlock": _add_block,
    "ReLU": _add_relu,
    "Sequential": _add_sequence,
    "Sigmoid": _add_sigmoid,
    "Softplus": _add_softplus,
    "Tanh": _add_tanh,
}
