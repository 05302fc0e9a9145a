"""A TreeEnsemble (ai.onnx.ml, opset 5) as complete trees."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pynomaly_scoring.protobuf import fields, ints, varint

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]

FEWEST_TREES, MAX_DEPTH, MAX_LEAVES = 8, 9, 2**20
"""Of few trees there is little to gain; deeper complete ones outgrow the cache, and many of them the memory."""
_MAX_COLUMNS = 2**14  # 8 MiB of a block of rows
_INT, _TENSOR = 3, 5  # fields of an attribute
_DATA_TYPE, _RAW = 2, 9  # fields of a tensor
_KINDS: dict[int, str] = {2: "u1", 11: "<f8"}  # its data types: uint8, double
_TENSORS = ("nodes_modes", "nodes_splits", "leaf_weights")
_LISTS = (
    *("tree_roots", "nodes_featureids"),
    *("nodes_truenodeids", "nodes_trueleafs", "nodes_falsenodeids", "nodes_falseleafs"),
)
_SUM, _AS_IT_IS, _AT_MOST = 1, 0, 0  # aggregate_function, post_transform, nodes_modes: x <= split
_OPTIONAL = frozenset({"aggregate_function", "post_transform", "n_targets", "leaf_targetids"})


@dataclass(frozen=True)
class Forest:
    """Node i of a tree has the children 2i + 1, where x[column] <= split, and 2i + 2.

    columns, splits: (n_trees, 2^depth - 1). leaves: (n_trees, 2^depth), what a row's way down adds to its sum.
    """

    columns: IntArray
    splits: FloatArray
    leaves: FloatArray
    depth: int

    @property
    def n_columns(self) -> int:
        """How many columns a row must have at least."""
        return int(self.columns.max()) + 1


class _Nodes(NamedTuple):
    """Of a TreeEnsemble. A child's number is that of a leaf where it is one, else that of a node."""

    columns: IntArray
    splits: FloatArray
    true_ids: IntArray
    true_leafs: IntArray
    false_ids: IntArray
    false_leafs: IntArray

    @property
    def are_whole(self) -> bool:
        return len({len(part) for part in self}) == 1 and _within(self.columns, _MAX_COLUMNS)


def read_forest(attributes: Mapping[str, bytes]) -> Forest | None:
    """The forest of a TreeEnsemble's attributes, by name; None where it is of another kind, too small, deep or large.

    Of what the runtime itself refuses, either may come: it has loaded the graph before.
    """
    if attributes.keys() - _OPTIONAL != {*_LISTS, *_TENSORS}:
        return None
    numbers = [_number(attributes, name) for name in ("aggregate_function", "post_transform", "n_targets")]
    if numbers[0] not in (None, _SUM) or numbers[1] not in (None, _AS_IT_IS) or numbers[2] != 1:
        return None
    modes, splits, weights = (_tensor(attributes[name]) for name in _TENSORS)
    if modes is None or splits is None or weights is None or (modes != _AT_MOST).any():
        return None
    roots, columns, *children = (ints(attributes[name]) for name in _LISTS)
    nodes = _Nodes(columns, splits, *children)
    return _complete(roots, nodes, weights) if nodes.are_whole and len(roots) >= FEWEST_TREES else None


def _complete(roots: IntArray, nodes: _Nodes, weights: FloatArray) -> Forest | None:
    """Level by level, all trees at once. Where a tree ends sooner, every leaf below has the value of its end."""
    number, is_end = roots[:, np.newaxis], np.zeros((len(roots), 1), np.bool_)
    levels: list[tuple[IntArray, FloatArray]] = []
    while _within(number[is_end], len(weights)) and _within(number[~is_end], len(nodes.columns)):
        if is_end.all():
            columns, splits = (np.hstack(part) for part in zip(*levels, strict=True))
            return Forest(columns, splits, weights[number], len(levels))
        if len(levels) == MAX_DEPTH or 2 * number.size > MAX_LEAVES:
            return None
        node = np.where(is_end, 0, number)
        levels.append((nodes.columns[node], nodes.splits[node]))
        number = _both(*(np.where(is_end, number, ids[node]) for ids in (nodes.true_ids, nodes.false_ids)))
        is_end = _both(*(is_end | (leafs[node] == 1) for leafs in (nodes.true_leafs, nodes.false_leafs)))
    return None


def _both(true: NDArray[Any], false: NDArray[Any]) -> NDArray[Any]:
    """The children of each node of a level, (n_trees, n), side by side."""
    return np.stack((true, false), axis=-1).reshape(len(true), -1)


def _within(numbers: IntArray, end: int) -> bool:
    return bool(((numbers >= 0) & (numbers < end)).all())


def _number(attributes: Mapping[str, bytes], name: str) -> int | None:
    attribute = attributes.get(name, b"")
    found = [low for number, _, low, _ in fields(attribute, 0, len(attribute)) if number == _INT]
    return varint(attribute, found[-1], len(attribute))[0] if found else None


def _tensor(attribute: bytes) -> NDArray[Any] | None:
    """Its values, (n,), where they are raw bytes of a type that is known."""
    tensor = b"".join(attribute[low:high] for number, _, low, high in _of(attribute) if number == _TENSOR)
    kind, raw = None, None
    for number, _, low, high in _of(tensor):
        if number == _DATA_TYPE:
            kind = _KINDS.get(varint(tensor, low, high)[0])
        if number == _RAW:
            raw = tensor[low:high]
    if kind is None or raw is None or len(raw) % np.dtype(kind).itemsize:
        return None
    return np.frombuffer(raw, kind)


def _of(message: bytes) -> list[tuple[int, int, int, int]]:
    return list(fields(message, 0, len(message)))
