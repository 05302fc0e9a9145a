"""Isolation Forest: one TreeEnsemble node."""

from typing import Any

import numpy as np
from onnx import TensorProto

from detector_service.compile.family import Family
from detector_service.compile.graph import Graph
from detector_service.compile.trees import FloatVector, IntVector, Tree, add_tree_ensemble, single_leaf


def average_path_length(n_samples: IntVector) -> FloatVector:
    """Mean depth of an unsuccessful search in a binary search tree, c(n) of Liu, Ting & Zhou (2008), eq. 1.

    n_samples: (n_nodes,), >= 0. Returns (n_nodes,), in edges; 0 for n <= 1 and, as in scikit-learn, 1 for n = 2.
    """
    n = np.maximum(n_samples.astype(np.float64), 3.0)
    lengths = 2.0 * (np.log(n - 1.0) + np.euler_gamma) - 2.0 * (n - 1.0) / n
    return np.where(n_samples <= 1, 0.0, np.where(n_samples == 2, 1.0, lengths))


def add_isolation_forest(graph: Graph, rows: str, estimator: Any, training: Any) -> str:  # noqa: ARG001 - Family
    """PyOD's IForest.decision_function: 2^(-E[h(x)] / c(max_samples)) + offset_, with scikit-learn's offset_.

    scikit-learn compares float32(x) with its thresholds, so the graph casts x to float32 before the splits.
    """
    forest = estimator.detector_
    trees = scaled_trees(forest)
    routed = graph.add("Cast", graph.add("Cast", rows, to=TensorProto.FLOAT), to=TensorProto.DOUBLE)
    exponent = add_tree_ensemble(graph, routed, trees)
    return graph.add("Add", graph.add("Exp", exponent), graph.constant(forest.offset_))


def scaled_trees(forest: Any) -> list[Tree]:
    """scikit-learn's trees, whose leaves add up to the logarithm of the score without its offset."""
    mean_depth_scale = float(average_path_length(np.array([forest.max_samples_]))[0])
    scale = -np.log(2.0) / (len(forest.estimators_) * mean_depth_scale)
    pairs = zip(forest.estimators_, forest.estimators_features_, strict=True)
    return [_isolation_tree(tree.tree_, features, scale) for tree, features in pairs]


def _isolation_tree(tree: Any, features: IntVector, scale: float) -> Tree:
    """leaf = scale * (depth + c(rows in the leaf)); `features` are the columns this tree was shown."""
    return scikit_learn_tree(tree, features, path_lengths(tree) * scale)


def path_lengths(tree: Any) -> FloatVector:
    """The depth of each node of scikit-learn's tree, and what Liu et al. add for the rows that end there."""
    return _depths(tree.children_left, tree.children_right) + average_path_length(tree.n_node_samples)


def scikit_learn_tree(tree: Any, features: IntVector, values: FloatVector) -> Tree:
    """scikit-learn's tree, for float32 numbers. features: the columns it was shown. values: of all nodes, (n_nodes,),
    of which those of the leaves count."""
    left, right = tree.children_left, tree.children_right
    inner = left >= 0
    if not inner.any():
        return single_leaf(float(values[0]))
    ids = np.where(inner, np.cumsum(inner), np.cumsum(~inner)) - 1
    true, false = left[inner], right[inner]
    splits = _rounded_down_to_float32(tree.threshold[inner])
    return Tree(
        np.asarray(features)[tree.feature[inner]],
        splits,
        ids[true],
        ~inner[true],
        ids[false],
        ~inner[false],
        values[~inner],
    )


def _rounded_down_to_float32(thresholds: FloatVector) -> FloatVector:
    """The largest float32 <= each threshold: no float32 lies between, so each x is routed alike."""
    nearest = thresholds.astype(np.float32)
    above = nearest > thresholds
    nearest[above] = np.nextafter(nearest[above], np.float32(-np.inf))
    return nearest.astype(np.float64)


def _depths(left: IntVector, right: IntVector) -> FloatVector:
    """Edges from the root to each node; parents come before their children."""
    depths = np.zeros(len(left))
    for node in np.flatnonzero(left >= 0):
        depths[left[node]] = depths[right[node]] = depths[node] + 1
    return depths


ISOLATION_FOREST = Family(add_isolation_forest)
