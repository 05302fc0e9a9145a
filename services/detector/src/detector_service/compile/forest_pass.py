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
    offset = forest.offset_

    def score(rows: FloatMatrix) -> FloatVector:
        exponents = np.empty(len(rows))
        block = np.zeros(rows.shape[1] * _ROWS, np.float32)
        places, sums = np.empty(_ROWS, np.uint32), np.empty(_ROWS)
        _add_leaves(rows, columns, splits, leaves, depth, block, places, sums, exponents)
        found: FloatVector = np.exp(exponents) + offset
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
def _add_leaves(
    rows: Any, columns: Any, splits: Any, leaves: Any, depth: int, block: Any, places: Any, sums: Any, exponents: Any
) -> None:
    """Into exponents, (n_rows,), the sum of each row's leaves, one of each tree.

    rows: float64 (n_rows, n_features). columns: uint32 like splits, (n_trees, 2^depth - 1): where in `block`, float32
    (n_features * 64,), the column of a node begins. places, sums: room for 64.

    All places are unsigned: numba looks at a signed one to see whether it counts from the end, at half the speed. What
    slices and makes arrays is outside: numba takes seconds to compile it.
    """
    n_inner, one, n_together = np.uint32(splits.shape[1]), np.uint32(1), np.uint32(_ROWS)
    for first in range(0, len(rows), _ROWS):
        n_rows = min(_ROWS, len(rows) - first)
        for row in range(n_rows):
            for feature in range(rows.shape[1]):
                block[feature * _ROWS + row] = rows[first + row, feature]
        for row in range(n_together):
            sums[row] = 0.0
        for tree in range(len(splits)):
            for row in range(n_together):
                places[row] = np.uint32(0)
            for _ in range(depth):
                for row in range(n_together):
                    place = places[row]
                    is_above = np.uint32(block[columns[tree, place] + row] > splits[tree, place])
                    places[row] = place + place + one + is_above
            for row in range(n_together):
                sums[row] += leaves[tree, places[row] - n_inner]
        for row in range(n_rows):
            exponents[first + row] = sums[row]
