"""What a graph may not contain, found by a walk of its protobuf bytes, so that scoring needs no onnx package.

ONNX Runtime checks the rest when it loads. The registry also runs the ONNX checker.
"""

import re
from collections.abc import Iterator

from pynomaly_scoring.errors import GraphInvalid

# Message and field number (onnx.proto) to the message inside; all else is opaque.
_INSIDE = {
    ("model", 7): "graph",
    ("model", 8): "opset",
    ("graph", 1): "node",
    ("graph", 5): "tensor",
    ("node", 5): "attribute",
    ("attribute", 5): "tensor",
    ("attribute", 10): "tensor",
}
_REFUSED = {
    ("model", 20): "training information",
    ("model", 25): "functions",
    ("attribute", 6): "control flow",  # If, Loop, Scan, SequenceMap: a body is a graph in an attribute
    ("attribute", 11): "control flow",
    ("graph", 15): "sparse tensors",  # the runtime makes them dense as it loads, whatever their size
    ("attribute", 22): "sparse tensors",
    ("attribute", 23): "sparse tensors",
    ("tensor", 13): "external data",
}
_ALLOWED = {
    ("opset", 1): (b"", b"ai.onnx.ml"),
    ("node", 7): (b"", b"ai.onnx.ml"),
    ("tensor", 14): (b"\0",),  # data_location: inside
}
_ONCE = {("model", 7), ("attribute", 5)}  # parsers make one of several pieces, which would hide its size
_VARINT, _LENGTH = 0, 2  # wire types
_DIMS, _DATA_TYPE, _STRING = 1, 2, 8  # fields of a tensor, and the type whose memory the runtime takes unchecked
_FIXED = {1: 8, 5: 4}  # wire type to width; other wire types run past the end
# A forest's attributes are lists of a million numbers, one field each: skipped at the speed of C.
_NUMBERS = re.compile(rb"(?>\x3d.{4}|\x40[\x80-\xff]{0,9}[\x00-\x7f])++", re.DOTALL)


def check_content(model: bytes) -> None:
    """Refuse external data, control flow, functions, sparse tensors, tensors larger than the file, and operators
    outside "" and ai.onnx.ml.

    Raises GraphInvalid.
    """
    open_messages = [("model", 0, len(model))]
    while open_messages:
        message, start, end = open_messages.pop()
        seen: set[tuple[str, int]] = set()
        for number, wire, low, high in _fields(model, start, end):
            place = message, number
            if place in seen:
                raise GraphInvalid("graph-malformed", "the graph has a part that comes in pieces")
            if place in _ONCE:
                seen.add(place)
            if place in _REFUSED:
                raise GraphInvalid("graph-content", f"the graph has {_REFUSED[place]}")
            if place in _ALLOWED and model[low:high] not in _ALLOWED[place]:
                raise GraphInvalid("graph-content", f"the graph leaves its bounds: {model[low:high][:80]!r}")
            if wire == _LENGTH and place in _INSIDE:
                open_messages.append((_INSIDE[place], low, high))
        if message == "tensor":
            _check_size(model, start, end)


def _check_size(model: bytes, start: int, end: int) -> None:
    """Refuse a tensor that says it has more values than its bytes can hold: half a byte each, or two of a string."""
    n_values, most = 1, 8 * (end - start)
    for number, wire, low, high in _fields(model, start, end):
        if number == _DATA_TYPE and wire == _VARINT and _varint(model, low, high)[0] == _STRING:
            most = (end - start) // 2
        at = low
        while number == _DIMS and at < high:  # one, or many in a packed field
            dimension, at = _varint(model, at, high)
            n_values *= dimension
    if n_values > most:
        raise GraphInvalid("graph-tensor-size", f"a tensor of {end - start} bytes says that it has {n_values} values")


def _fields(model: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Each field's number, wire type, and where its value starts and ends."""
    while at < end:
        if numbers := _NUMBERS.match(model, at, end):
            at = numbers.end()
            continue
        tag, low = _varint(model, at, end)
        wire = tag & 7
        if wire == _LENGTH:
            n_bytes, low = _varint(model, low, end)
            at = low + n_bytes
        elif wire == _VARINT:
            _, at = _varint(model, low, end)
        else:
            at = low + _FIXED.get(wire, end)
        if at > end or tag >> 32:  # parsers read a tag as 32 bits: a longer one would mean another field to them
            raise GraphInvalid("graph-malformed", "the graph is not protobuf")
        yield tag >> 3, wire, low, at


def _varint(model: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for index in range(at, min(at + 10, end)):
        value |= (model[index] & 0x7F) << 7 * (index - at)
        if model[index] < 0x80:
            return value, index + 1
    raise GraphInvalid("graph-malformed", "the graph is not protobuf")
