"""Binary trees and step functions as one TreeEnsemble node (ai.onnx.ml, opset 5), in float64 throughout."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from onnx import numpy_helper

from detector_service.compile.graph import ML_DOMAIN, Graph

FloatVector = NDArray[np.float64]
IntVector = NDArray[np.int64]
BoolVector = NDArray[np.bool_]

_MANTISSA_BITS = 52


@dataclass(frozen=True)
class Tree:
    """A binary tree: at an inner node a row goes to the true child where x[feature] <= split.

    features, splits, true_ids, true_leaf, false_ids, false_leaf: (n_inner,); a child's id counts leaves where the
    child is a leaf, inner nodes otherwise. leaf_values: (n_leaves,). root: an inner node's number.
    """

    features: IntVector
    splits: FloatVector
    true_ids: IntVector
    true_leaf: BoolVector
    false_ids: IntVector
    false_leaf: BoolVector
    leaf_values: FloatVector
    root: int = 0


@dataclass(frozen=True)
class StepFunction:
    """f(x) = values[number of cuts < x]; cuts: (n_cuts,) ascending; values: (n_cuts + 1,)."""

    cuts: FloatVector
    values: FloatVector

    def merged(self) -> "StepFunction":
        """The same function without the cuts at which it does not change."""
        changes = self.values[1:] != self.values[:-1]
        return StepFunction(self.cuts[changes], self.values[np.concatenate(([True], changes))])


def single_leaf(value: float) -> Tree:
    """A tree of one leaf, which the format writes as one node whose two branches are that leaf."""
    zero, leaf = np.zeros(1, np.int64), np.ones(1, np.bool_)
    return Tree(zero, np.zeros(1), zero, leaf, zero, leaf, np.array([value]))


def balanced_tree(step: StepFunction, feature: int) -> Tree:
    """The step function of one feature as a balanced search tree; inner node i holds cut i."""
    n_cuts = len(step.cuts)
    if n_cuts == 0:
        return single_leaf(float(step.values[0]))
    true_ids, false_ids = np.zeros((2, n_cuts), np.int64)
    true_leaf, false_leaf = np.zeros((2, n_cuts), np.bool_)
    for first, middle, last in _levels(n_cuts):
        true_leaf[middle], false_leaf[middle] = first == middle, middle + 1 == last
        true_ids[middle] = np.where(first == middle, middle, (first + middle) // 2)
        false_ids[middle] = np.where(middle + 1 == last, middle + 1, (middle + 1 + last) // 2)
    features = np.full(n_cuts, feature, np.int64)
    return Tree(features, step.cuts, true_ids, true_leaf, false_ids, false_leaf, step.values, n_cuts // 2)


def _levels(n_cuts: int) -> Iterator[tuple[IntVector, IntVector, IntVector]]:
    """Level by level, the half-open ranges of cuts that the level's nodes split, with their middles."""
    first, last = np.array([0]), np.array([n_cuts])
    while len(first):
        middle = (first + last) // 2
        yield first, middle, last
        first, last = np.concatenate((first, middle + 1)), np.concatenate((middle, last))
        first, last = first[first < last], last[first < last]


def add_tree_ensemble(graph: Graph, source: str, trees: Sequence[Tree], *, apart: bool = False) -> str:
    """Add the sum over `trees` of the leaf that each row of `source` (n_rows, n) reaches; returns (n_rows, 1).

    apart: each tree's leaf by itself, (n_rows, n_trees).
    """
    trees = with_exact_sums(trees)
    inner = _starts([len(tree.splits) for tree in trees])
    leaves = _starts([len(tree.leaf_values) for tree in trees])
    placed = list(zip(trees, inner, leaves, strict=True))
    true_ids = [tree.true_ids + np.where(tree.true_leaf, leaf, node) for tree, node, leaf in placed]
    false_ids = [tree.false_ids + np.where(tree.false_leaf, leaf, node) for tree, node, leaf in placed]
    leaf_values = np.concatenate([tree.leaf_values for tree in trees])
    return graph.add(
        "TreeEnsemble",
        source,
        domain=ML_DOMAIN,
        n_targets=len(trees) if apart else 1,
        tree_roots=[tree.root + int(node) for tree, node, _ in placed],
        nodes_featureids=np.concatenate([tree.features for tree in trees]).tolist(),
        nodes_splits=numpy_helper.from_array(np.concatenate([tree.splits for tree in trees])),
        nodes_modes=numpy_helper.from_array(np.zeros(sum(map(len, true_ids)), np.uint8)),
        nodes_truenodeids=np.concatenate(true_ids).tolist(),
        nodes_trueleafs=np.concatenate([tree.true_leaf for tree in trees]).astype(int).tolist(),
        nodes_falsenodeids=np.concatenate(false_ids).tolist(),
        nodes_falseleafs=np.concatenate([tree.false_leaf for tree in trees]).astype(int).tolist(),
        leaf_targetids=[number if apart else 0 for number, tree in enumerate(trees) for _ in tree.leaf_values],
        leaf_weights=numpy_helper.from_array(leaf_values),
    )


def _starts(lengths: Sequence[int]) -> IntVector:
    """Where each of several arrays of these lengths begins, once they are joined."""
    return np.cumsum([0, *lengths])[:-1]


def with_exact_sums(trees: Sequence[Tree]) -> list[Tree]:
    """The trees with leaves on a common binary grid so fine that it costs half an ulp of the largest sum per tree.

    Every partial sum is then exact in float64, so a score is the same to the last bit in whatever order, and on
    however many threads, the runtime adds the trees up.
    """
    largest_sum = float(sum(np.abs(tree.leaf_values).max() for tree in trees))
    if largest_sum == 0:
        return list(trees)
    grid = 2.0 ** (np.ceil(np.log2(largest_sum)) - _MANTISSA_BITS)
    return [replace(tree, leaf_values=np.round(tree.leaf_values / grid) * grid) for tree in trees]
