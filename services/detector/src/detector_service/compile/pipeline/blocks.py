"""Derived features on their way: each part of the pipeline adds some, and says where they belong."""

from typing import NamedTuple

from detector_service.compile.graph import Graph


class Feature(NamedTuple):
    """column: position of its raw column among the model's features. place: among those of the column."""

    column: int
    place: int
    name: str


class Block(NamedTuple):
    """value: name of the features in the graph, float64 (n_rows, n_features), columns as listed."""

    value: str
    features: list[Feature]


def add_together(graph: Graph, blocks: list[Block]) -> Block:
    """All features in the order of the raw columns."""
    found = [feature for block in blocks for feature in block.features]
    order = sorted(range(len(found)), key=found.__getitem__)
    value = blocks[0].value if len(blocks) == 1 else graph.add("Concat", *(block.value for block in blocks), axis=1)
    return Block(graph.take_columns(value, order, len(found)), [found[number] for number in order])
