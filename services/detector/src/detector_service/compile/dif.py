"""Deep isolation forest: random networks side by side, and forests on what each makes of a row."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from detector_service.compile.distances import add_mean
from detector_service.compile.family import Family
from detector_service.compile.forest import average_path_length, path_lengths, scikit_learn_tree
from detector_service.compile.graph import Graph
from detector_service.compile.layers import add_float32, add_layers, add_weights
from detector_service.compile.trees import FloatVector, IntVector, Tree, add_tree_ensemble

_BESIDE_COUNT = 1e-6  # that PyOD adds to the number of splits that a row passes

FloatMatrix = NDArray[np.float64]


class Paths(NamedTuple):
    """The way to each leaf, all forests' leaves numbered through; a tree's leaves hold their numbers.

    lengths: (n_leaves,), as isolation forests count them. features, splits: (n_leaves, depth), of the nodes on the
    way. passed: (n_leaves, depth), whether there is such a node or the way is shorter.
    """

    trees: list[Tree]
    lengths: FloatVector
    features: NDArray[np.int32]
    splits: FloatMatrix
    passed: NDArray[np.bool_]


def add_dif(graph: Graph, rows: str, estimator: Any, training: Any) -> str:  # noqa: ARG001 - Family
    """PyOD's DIF.decision_function, with representations standardised as over the training rows.

    Xu et al. (2023): the mean over representations of 2^(-length / c) times how far from its splits a row passes.
    """
    representations, paths = _add_representations(graph, rows, estimator), _paths(estimator)
    found = add_tree_ensemble(graph, representations, paths.trees, apart=True)
    leaves = graph.add("Cast", found, to=TensorProto.INT64)
    by_forest = graph.constant([-1, estimator.n_ensemble, estimator.n_estimators], np.int64)
    last = graph.constant([2], np.int64)
    lengths = graph.add("Reshape", graph.add("Gather", graph.constant(paths.lengths), leaves), by_forest)
    length = graph.add("ReduceSum", lengths, last, keepdims=0)
    isolation = graph.add("Exp", graph.add("Mul", length, graph.constant(_exponents(estimator))))
    margins = graph.add("Reshape", _add_margins(graph, representations, leaves, paths), by_forest)
    margin = graph.add("ReduceMean", margins, last, keepdims=0)
    return add_mean(graph, graph.add("Mul", isolation, margin))


def _exponents(estimator: Any) -> FloatVector:
    """What the sum of a forest's lengths is multiplied by, (n_ensemble,)."""
    n_samples = np.array([forest.max_samples_ for forest in estimator.iForest_lst])
    exponents: FloatVector = -np.log(2.0) / (estimator.n_estimators * average_path_length(n_samples))
    return exponents


def _add_representations(graph: Graph, rows: str, estimator: Any) -> str:
    """All representations side by side, in float32's precision, (n_rows, n_ensemble * representation_dim)."""
    scaler, networks = estimator.minmax_scaler, estimator.net_lst
    scaled = graph.add("Add", graph.add("Mul", rows, graph.constant(scaler.scale_)), graph.constant(scaler.min_))
    values = [(graph.add("Unsqueeze", add_float32(graph, scaled), graph.constant([0], np.int64)), len(scaler.scale_))]
    for blocks in zip(*(network.layers for network in networks), strict=True):
        shown = values if blocks[0].skip_connection else []
        values = [*shown, _add_blocks(graph, values, blocks)]
    scalers = [estimator.scalers_[id(network)] for network in networks]
    means, scales = (np.array([getattr(s, name) for s in scalers])[:, np.newaxis] for name in ("mean_", "scale_"))
    standard = graph.add("Div", graph.add("Sub", values[-1][0], graph.constant(means)), graph.constant(scales))
    by_row = graph.add("Transpose", graph.add("Tanh", standard), perm=[1, 0, 2])
    beside = graph.constant([-1, len(networks) * estimator.representation_dim], np.int64)
    return add_float32(graph, graph.add("Reshape", by_row, beside))


def _add_blocks(graph: Graph, values: list[tuple[str, int]], blocks: tuple[Any, ...]) -> tuple[str, int]:
    """One layer of every network, (n_ensemble, n_rows, n_units), with its n_units.

    values: names and widths of what the layer is shown, (n_ensemble or 1, n_rows, width) each.
    """
    weights = np.stack([block.linear.weight.detach().numpy().T for block in blocks])
    n_ensemble, _, n_units = weights.shape
    graph.needs_bytes_per_row(8 * n_ensemble * n_units)
    borders = np.cumsum([width for _, width in values])[:-1]
    parts = [
        graph.add("MatMul", name, add_weights(graph, part))
        for (name, _), part in zip(values, np.split(weights, borders, axis=1), strict=True)
    ]
    total = graph.add("Sum", *parts) if len(parts) > 1 else parts[0]
    return add_layers(graph, total, [blocks[0].act_layer]), n_units


def _add_margins(graph: Graph, representations: str, leaves: str, paths: Paths) -> str:
    """Mean distance from the splits on the way to each leaf, but for splits that are met exactly, (n_rows, n_trees)."""
    n_trees, depth = len(paths.trees), paths.splits.shape[1]
    graph.needs_bytes_per_row(8 * n_trees * depth)
    flat, last = graph.constant([-1, n_trees * depth], np.int64), graph.constant([2], np.int64)
    features = graph.add("Reshape", graph.add("Gather", graph.constant(paths.features, np.int32), leaves), flat)
    met = graph.add("GatherElements", representations, features, axis=1)
    met = graph.add("Reshape", met, graph.constant([-1, n_trees, depth], np.int64))
    gaps = graph.add("Abs", graph.add("Sub", met, graph.add("Gather", graph.constant(paths.splits), leaves)))
    passed = graph.add("Gather", graph.constant(paths.passed, np.bool_), leaves)
    gaps = graph.add("Where", passed, gaps, graph.constant(0.0))
    count = graph.add("ReduceSum", graph.add("Sign", gaps), last, keepdims=0)
    total = graph.add("ReduceSum", gaps, last, keepdims=0)
    return graph.add("Div", total, graph.add("Add", count, graph.constant(_BESIDE_COUNT)))


def _paths(estimator: Any) -> Paths:
    width = estimator.representation_dim
    forests = [[each.tree_ for each in forest.estimators_] for forest in estimator.iForest_lst]
    trees = [(tree, number * width) for number, forest in enumerate(forests) for tree in forest]
    depth = max(1, *(tree.max_depth for tree, _ in trees))
    ways = [_ways(tree, first_column, depth) for tree, first_column in trees]
    starts = np.cumsum([0, *(tree.n_leaves for tree, _ in trees)])
    return Paths(
        [_numbered(tree, column, int(start)) for (tree, column), start in zip(trees, starts[:-1], strict=True)],
        np.concatenate([path_lengths(tree)[tree.children_left < 0] for tree, _ in trees]),
        *(np.concatenate(parts) for parts in zip(*ways, strict=True)),
    )


def _numbered(tree: Any, first_column: int, first_leaf: int) -> Tree:
    """The tree on columns from first_column on, whose leaves hold numbers from first_leaf on, in their order."""
    numbers = first_leaf + np.cumsum(tree.children_left < 0) - 1.0
    return scikit_learn_tree(tree, np.arange(first_column, first_column + tree.n_features), numbers)


def _ways(tree: Any, first_column: int, depth: int) -> tuple[NDArray[np.int32], FloatMatrix, NDArray[np.bool_]]:
    """features, splits and passed of a tree's leaves, from the leaf up."""
    parents = np.full(tree.node_count, -1)
    inner = np.flatnonzero(tree.children_left >= 0)
    parents[tree.children_left[inner]] = parents[tree.children_right[inner]] = inner
    node: IntVector = np.flatnonzero(tree.children_left < 0)
    ways = np.empty((len(node), depth), np.int64)
    for step in range(depth):
        node = np.where(node >= 0, parents[node], -1)
        ways[:, step] = node
    passed = ways >= 0
    features = np.where(passed, tree.feature[ways] + first_column, 0).astype(np.int32)
    return features, np.where(passed, tree.threshold[ways], 0.0), passed


DIF = Family(add_dif)
