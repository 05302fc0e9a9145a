"""What a graph does before and after one of its nodes, as two models of their own, cut out of its bytes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pynomaly_scoring.protobuf import LENGTH, field, fields

_GRAPH = 7  # field of a model
_NODE, _GRAPH_NAME, _INITIALIZER, _INPUT, _OUTPUT = 1, 2, 5, 11, 12  # of a graph
_TAKEN, _GIVEN, _OPERATOR, _ATTRIBUTE, _DOMAIN = 1, 2, 4, 5, 7  # of a node
_NAME, _TENSOR_NAME = 1, 8  # of an attribute, an input or an output; of a tensor
_DOUBLE = 11
Shape = tuple[str | int, ...]


@dataclass(frozen=True)
class Node:
    """content: its bytes. inputs, outputs: names of results."""

    content: bytes
    inputs: Sequence[str]
    outputs: Sequence[str]
    operator: str
    domain: str

    def attributes(self) -> dict[str, bytes]:
        """Each attribute's bytes, by name."""
        return {_name(part, _NAME): part for number, part in _parts(self.content) if number == _ATTRIBUTE}


class Around(NamedTuple):
    """before: from the model's inputs to the node's; None where the node's input is one of the model's. after: from
    the node's output, and those of the model's inputs that it takes besides, to the model's outputs."""

    before: bytes | None
    after: bytes


class Model:
    """A model that the runtime loads, in parts."""

    def __init__(self, model: bytes) -> None:
        graph = b"".join(part for number, part in _parts(model) if number == _GRAPH)
        self._rest = b"".join(part for number, part in _whole(model) if number != _GRAPH)
        self.nodes = [_node(part) for number, part in _parts(graph) if number == _NODE]
        named = [(number, part) for number, part in _parts(graph) if number in (_INITIALIZER, _INPUT, _OUTPUT)]
        self._named = [(n, _name(part, _TENSOR_NAME if n == _INITIALIZER else _NAME), part) for n, part in named]

    def around(self, node: Node) -> Around:
        """node: of one input and one output, both float64, the output (n_rows, 1)."""
        (source,), (target,) = node.inputs, node.outputs
        others = [each for each in self.nodes if each is not node]
        outputs = {name: part for number, name, part in self._named if number == _OUTPUT}
        after = self._cut(others, outputs, {target: _value(target, ("n_rows", 1))})
        if source in (name for number, name, _ in self._named if number == _INPUT):
            return Around(None, after)
        return Around(self._cut(others, {source: _value(source, ())}, {}), after)

    def _cut(self, nodes: Sequence[Node], outputs: Mapping[str, bytes], inputs: Mapping[str, bytes]) -> bytes:
        """The nodes that lead to these outputs, from the model's own inputs and these."""
        needed, kept = set(outputs), list[Node]()
        for node in reversed(nodes):
            if needed.intersection(node.outputs):
                needed.update(node.inputs)
                kept.append(node)
        graph = [field(_NODE, node.content) for node in reversed(kept)]
        graph.append(field(_GRAPH_NAME, b"part"))
        graph += [field(number, part) for number, name, part in self._named if number != _OUTPUT and name in needed]
        graph += [field(_INPUT, part) for part in inputs.values()]
        graph += [field(_OUTPUT, part) for part in outputs.values()]
        return self._rest + field(_GRAPH, b"".join(graph))


def _node(content: bytes) -> Node:
    texts: dict[int, list[str]] = {number: [] for number in (_TAKEN, _GIVEN, _OPERATOR, _DOMAIN)}
    for number, part in _parts(content):
        if number in texts:
            texts[number].append(part.decode(errors="replace"))
    operator, domain = ("".join(texts[number]) for number in (_OPERATOR, _DOMAIN))
    return Node(content, texts[_TAKEN], texts[_GIVEN], operator, domain)


def _name(message: bytes, wanted: int) -> str:
    return next((part.decode(errors="replace") for number, part in _parts(message) if number == wanted), "")


def _value(name: str, shape: Shape) -> bytes:
    """A ValueInfoProto of float64; of whatever shape where none is given."""
    sizes = [field(1, field(2, size.encode()) if isinstance(size, str) else field(1, size)) for size in shape]
    tensor = field(1, _DOUBLE) + (field(2, b"".join(sizes)) if shape else b"")
    return field(1, name.encode()) + field(2, field(1, tensor))


def _parts(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields that have a length."""
    for number, wire, low, high in fields(message, 0, len(message)):
        if wire == LENGTH:
            yield number, message[low:high]


def _whole(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Every field with its tag."""
    begin = 0
    for number, _, _, high in fields(message, 0, len(message)):
        yield number, message[begin:high]
        begin = high
