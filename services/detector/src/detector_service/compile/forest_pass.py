"""An Isolation Forest's scores of many rows, several times as fast as the graph that it becomes.

Every tree is laid out as a complete one, so that a row's way down needs no branch: children of node i are 2i + 1 and
2i + 2. The leaves are the graph's, and their sums exact, so that scores are the graph's but for the last bit of exp.
"""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from detector_service.compile.forest import scaled_trees
from detector_service.compile.trees import FloatVector, Tree, with_exact_sums

MAX_DEPTH = 9
"""Of 512 rows per tree. Beyond, complete trees outgrow the cache."""
_ROWS = 64  # whose way down is taken together

FloatMatrix = NDArray[np.float64]


def forest_pass(estimator: Any) -> Callable[[FloatMatrix], FloatVector] | None:
    """From rows (n_rows, n_features), finite, to scores (n_rows,), offset_ included; None where trees are too deep."""
    forest = estimator.detector_
    depth = max(tree.get_depth() for tree in forest.estimators_)
    if not 1 <= depth <= MAX_DEPTH:
        return None
    laid_out = [_complete(tree, depth) for tree in with_exact_sums(scaled_trees(forest))]
    features, splits, leaves = (np.array(part) for part in zip(*laid_out, strict=True))
    columns = features * np.uint32(_ROWS)
    offset, n_features = forest.offset_, forest.n_features_in_

    def score(rows: FloatMatrix) -> FloatVector:
        n_blocks = -(-len(rows) // _ROWS)
        blocks = np.zeros((n_blocks * _ROWS, n_features), np.float32)
        blocks[: len(rows)] = rows
        blocks = blocks.reshape(n_blocks, _ROWS, n_features).transpose(0, 2, 1).reshape(n_blocks, n_features * _ROWS)
        exponents = np.empty((n_blocks, _ROWS))
        _add_leaves(np.ascontiguousarray(blocks), columns, splits, leaves, exponents)
        found: FloatVector = np.exp(exponents.ravel()[: len(rows)]) + offset
        return found

    score(np.zeros((1, forest.n_features_in_)))  # compiles it, before threads may
    return score


def _complete(tree: Tree, depth: int) -> tuple[NDArray[np.uint32], NDArray[np.float32], FloatVector]:
    """Features and splits of the 2^depth - 1 inner nodes, and the values of the 2^depth leaves. Where the tree ends
    sooner, every leaf below has the value."""
    n_inner = 2**depth - 1
    features, splits = np.zeros(n_inner, np.uint32), np.zeros(n_inner, np.float32)
    values = np.zeros(n_inner + 1)
    waiting = [(0, depth, tree.root, False)]
    while waiting:
        place, levels, number, is_leaf = waiting.pop()
        if is_leaf:
            first = (place + 1) * 2**levels - 1 - n_inner
            values[first : first + 2**levels] = tree.leaf_values[number]
            continue
        features[place], splits[place] = tree.features[number], tree.splits[number]
        true, false = (tree.true_ids, tree.true_leaf), (tree.false_ids, tree.false_leaf)
        waiting += [
            (2 * place + side, levels - 1, int(ids[number]), bool(leaf[number]))
            for side, (ids, leaf) in ((1, true), (2, false))
        ]
    return features, splits, values


@numba.njit(nogil=True, boundscheck=False)
def _add_leaves(blocks: Any, columns: Any, splits: Any, leaves: Any, exponents: Any) -> None:
    """Into exponents, (n_blocks, _ROWS), the sum of each row's leaves.

    blocks: float32 (n_blocks, n_features * _ROWS), a column after the other. columns: uint32 like splits,
    (n_trees, 2^depth - 1): where in a block a node's column begins.
    """
    # All places are unsigned: numba looks at a signed one to see whether it counts from the end, at half the speed.
    n_inner, one, n_rows = np.uint32(splits.shape[1]), np.uint32(1), np.uint32(_ROWS)
    n_levels = int(np.log2(n_inner + one))
    places = np.empty(_ROWS, np.uint32)
    for number in range(len(blocks)):
        block, sums = blocks[number], exponents[number]
        sums[:] = 0
        for tree in range(len(splits)):
            column, split, leaf = columns[tree], splits[tree], leaves[tree]
            places[:] = 0
            for _ in range(n_levels):
                for row in range(n_rows):
                    place = places[row]
                    is_above = np.uint32(block[column[place] + row] > split[place])
                    places[row] = place + place + one + is_above
            for row in range(n_rows):
                sums[row] += leaf[places[row] - n_inner]
