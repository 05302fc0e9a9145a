"""The wire format of protocol buffers, as far as a graph needs it, so that scoring needs no onnx package."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pynomaly_scoring.errors import GraphInvalid

VARINT, LENGTH = 0, 2  # wire types
_FIXED = {1: 8, 5: 4}  # wire type to width; other wire types run past the end
# A forest's attributes are lists of a million numbers, one field each: skipped at the speed of C.
_NUMBERS = re.compile(rb"(?>\x3d.{4}|\x40[\x80-\xff]{0,9}[\x00-\x7f])++", re.DOTALL)
_INTS = re.compile(rb"(?>\x40[\x80-\xff]{0,9}[\x00-\x7f])++", re.DOTALL)  # AttributeProto.ints


def fields(message: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Each field's number, wire type, and where its value starts and ends; but for an attribute's lists of numbers.

    Raises GraphInvalid where the bytes are no message.
    """
    while at < end:
        if numbers := _NUMBERS.match(message, at, end):
            at = numbers.end()
            continue
        found = _field(message, at, end)
        yield found
        at = found[3]


def ints(attribute: bytes) -> NDArray[np.int64]:
    """An attribute's list of integers, (n,). Raises GraphInvalid."""
    at, runs = 0, [np.empty(0, np.int64)]
    while at < len(attribute):
        if run := _INTS.match(attribute, at):
            runs.append(_decoded(run[0]))
            at = run.end()
        else:
            _, _, _, at = _field(attribute, at, len(attribute))
    return np.concatenate(runs)


def _field(message: bytes, at: int, end: int) -> tuple[int, int, int, int]:
    tag, low = varint(message, at, end)
    wire = tag & 7
    if wire == LENGTH:
        n_bytes, low = varint(message, low, end)
        high = low + n_bytes
    elif wire == VARINT:
        _, high = varint(message, low, end)
    else:
        high = low + _FIXED.get(wire, end)
    if high > end or tag >> 32:  # parsers read a tag as 32 bits: a longer one would mean another field to them
        raise GraphInvalid("graph-malformed", "the graph is not protobuf")
    return tag >> 3, wire, low, high


def varint(message: bytes, at: int, end: int) -> tuple[int, int]:
    """A number, and where the next thing begins. Raises GraphInvalid."""
    value = 0
    for index in range(at, min(at + 10, end)):
        value |= (message[index] & 0x7F) << 7 * (index - at)
        if message[index] < 0x80:
            return value, index + 1
    raise GraphInvalid("graph-malformed", "the graph is not protobuf")


def _decoded(run: bytes) -> NDArray[np.int64]:
    """Every second number: between them are tags."""
    content = np.frombuffer(run, np.uint8)
    ends = np.flatnonzero(content < 0x80)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths, found = ends - starts + 1, np.zeros(len(ends), np.uint64)
    for place in range(int(lengths.max())):
        longer = lengths > place
        found[longer] |= (content[starts[longer] + place] & np.uint8(0x7F)).astype(np.uint64) << np.uint64(7 * place)
    return found[1::2].view(np.int64)


def field(number: int, content: bytes | int) -> bytes:
    """One field: bytes with their length, or a number."""
    if isinstance(content, int):
        return _written(number << 3 | VARINT) + _written(content)
    return _written(number << 3 | LENGTH) + _written(len(content)) + content


def _written(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))
