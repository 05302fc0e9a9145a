"""What a graph may not contain, found by a walk of its bytes.

ONNX Runtime checks the rest when it loads. The registry also runs the ONNX checker.
"""

from pynomaly_scoring.errors import GraphInvalid
from pynomaly_scoring.protobuf import LENGTH, VARINT, fields, varint

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
_DIMS, _DATA_TYPE, _STRING = 1, 2, 8  # fields of a tensor, and the type whose memory the runtime takes unchecked


def check_content(model: bytes) -> None:
    """Refuse external data, control flow, functions, sparse tensors, tensors larger than the file, and operators
    outside "" and ai.onnx.ml.

    Raises GraphInvalid.
    """
    open_messages = [("model", 0, len(model))]
    while open_messages:
        message, start, end = open_messages.pop()
        seen: set[tuple[str, int]] = set()
        for number, wire, low, high in fields(model, start, end):
            place = message, number
            if place in seen:
                raise GraphInvalid("graph-malformed", "the graph has a part that comes in pieces")
            if place in _ONCE:
                seen.add(place)
            if place in _REFUSED:
                raise GraphInvalid("graph-content", f"the graph has {_REFUSED[place]}")
            if place in _ALLOWED and model[low:high] not in _ALLOWED[place]:
                raise GraphInvalid("graph-content", f"the graph leaves its bounds: {model[low:high][:80]!r}")
            if wire == LENGTH and place in _INSIDE:
                open_messages.append((_INSIDE[place], low, high))
        if message == "tensor":
            _check_size(model, start, end)


def _check_size(model: bytes, start: int, end: int) -> None:
    """Refuse a tensor that says it has more values than its bytes can hold: half a byte each, or two of a string."""
    n_values, most = 1, 8 * (end - start)
    for number, wire, low, high in fields(model, start, end):
        if number == _DATA_TYPE and wire == VARINT and varint(model, low, high)[0] == _STRING:
            most = (end - start) // 2
        at = low
        while number == _DIMS and at < high:  # one, or many in a packed field
            dimension, at = varint(model, at, high)
            n_values *= dimension
    if n_values > most:
        raise GraphInvalid("graph-tensor-size", f"a tensor of {end - start} bytes says that it has {n_values} values")
