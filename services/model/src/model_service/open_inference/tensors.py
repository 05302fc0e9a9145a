"""Tensors as the protocol writes them, to numpy and back. Strict, and pure: no framework, no I/O.

A tensor comes as JSON, as binary (row-major, little-endian, without padding) or, over gRPC, in a typed list. In JSON
its elements may be nested as its shape is, and a null among floating-point numbers is NaN. BYTES elements are UTF-8
strings; as binary each follows its length, 4 bytes, little-endian.
"""

import math
import re
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
BOOL, BYTES, FP32, FP64, INT64 = "BOOL", "BYTES", "FP32", "FP64", "INT64"
DTYPES: Final = {
    BOOL: np.dtype(np.bool_),
    **{
        f"{kind}{8 * size}": np.dtype(f"<{code}{size}")
        for kind, code in (("UINT", "u"), ("INT", "i"))
        for size in (1, 2, 4, 8)
    },
    FP32: np.dtype("<f4"),
    FP64: np.dtype("<f8"),
}
DATATYPES: Final = (*DTYPES, BYTES)
_HALF: Final = ("FP16", "BF16")
_MAX_DIMENSIONS: Final = 2
_LENGTH_BYTES: Final = 4
_NESTED = re.compile(rb"\s*\[\s*\[")
_Decode = Callable[[msgspec.Raw], list[Any]]


def _decode(kind: Any) -> _Decode:
    return msgspec.json.Decoder[list[Any]](kind).decode


_FLAT: Final = {
    **dict.fromkeys(DATATYPES, _decode(list[int])),
    **dict.fromkeys((FP32, FP64), _decode(list[float | None])),
    BOOL: _decode(list[bool]),
    BYTES: _decode(list[str]),
}
_ROWS: Final = {
    **dict.fromkeys(DATATYPES, _decode(list[list[int]])),
    **dict.fromkeys((FP32, FP64), _decode(list[list[float | None]])),
    BOOL: _decode(list[list[bool]]),
    BYTES: _decode(list[list[str]]),
}


class TensorInvalid(ValueError):
    """A tensor is not what it says it is."""


class Tensor(NamedTuple):
    """A tensor whose elements are read when it is known that they are wanted.

    shape: one or two dimensions, n_rows first. read: the elements, flat; raises TensorInvalid.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    read: Callable[[str, tuple[int, ...]], Array]

    @classmethod
    def checked(
        cls, name: str, datatype: str, shape: Sequence[int], read: Callable[[str, tuple[int, ...]], Array]
    ) -> "Tensor":
        """Raises TensorInvalid on a datatype or shape that no tensor has here."""
        if datatype not in DATATYPES:
            why = "send FP32 or FP64" if datatype in _HALF else f"it is none of {', '.join(DATATYPES)}"
            raise TensorInvalid(f"input {name[:128]!r}: datatype {datatype[:32]!r} is not taken; {why}")
        if not 1 <= len(shape) <= _MAX_DIMENSIONS:
            raise TensorInvalid(f"input {name[:128]!r}: its shape has {len(shape)} dimensions; send 1 or 2")
        if min(shape) < 0:
            raise TensorInvalid(f"input {name[:128]!r}: its shape {list(shape)} has a negative dimension")
        return cls(name, datatype, tuple(shape), read)

    def array(self) -> Array:
        """Its elements in its shape: str objects for BYTES. Raises TensorInvalid."""
        try:
            return self.read(self.datatype, self.shape).reshape(self.shape)
        except TensorInvalid as error:
            raise TensorInvalid(f"input {self.name[:128]!r}: {error}") from error


def from_binary(content: memoryview, datatype: str, shape: tuple[int, ...]) -> Array:
    """The elements, flat, in `content` itself where its machine allows that. Raises TensorInvalid."""
    n_elements = math.prod(shape)
    if datatype == BYTES:
        return _texts(_split(content, n_elements))
    dtype = DTYPES[datatype]
    if len(content) != n_elements * dtype.itemsize:
        wanted = f"{datatype} {list(shape)} takes {n_elements * dtype.itemsize} bytes"
        raise TensorInvalid(f"{wanted}, and {len(content)} were sent")
    if datatype == BOOL:
        return _booleans(content)
    return np.frombuffer(content, dtype)


def from_json(content: msgspec.Raw, datatype: str, shape: tuple[int, ...]) -> Array:
    """The elements, flat, of a JSON array that is flat or nested as the shape is. Raises TensorInvalid."""
    nested = _NESTED.match(memoryview(content)) is not None
    try:
        given = (_ROWS if nested else _FLAT)[datatype](content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TensorInvalid(f"its data is no {datatype}: {error}") from error
    return from_list(_flat(given, shape) if nested else given, datatype, shape)


def from_list(elements: Sequence[Any], datatype: str, shape: tuple[int, ...]) -> Array:
    """The elements as numpy has them; None is NaN. Raises TensorInvalid where one does not fit the datatype."""
    if len(elements) != math.prod(shape):
        raise TensorInvalid(f"its shape {list(shape)} has {math.prod(shape)} elements, and {len(elements)} were sent")
    if datatype == BYTES:
        return _texts(elements)
    try:
        if datatype == FP32:
            return _fp32(np.array(elements, np.float64))
        return np.array(elements, DTYPES[datatype])
    except OverflowError as error:
        raise TensorInvalid(f"an element does not fit into {datatype}") from error


def to_binary(array: Array) -> memoryview:
    """An array of numbers or booleans, as its datatype is written."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data


def datatype_of(array: Array) -> str:
    """FP64 or BOOL, which is what scores are."""
    return BOOL if array.dtype.kind == "b" else FP64


def _flat(rows: list[list[Any]], shape: tuple[int, ...]) -> list[Any]:
    if (len(rows), *(len(row) for row in rows[:1])) != shape or any(len(row) != shape[-1] for row in rows):
        raise TensorInvalid(f"its data is not nested as its shape {list(shape)} says")
    return list(chain.from_iterable(rows))


def _fp32(elements: NDArray[np.float64]) -> Array:
    with np.errstate(over="ignore"):
        rounded = elements.astype(np.float32)
    if np.isinf(rounded).any():
        raise TensorInvalid("an element does not fit into FP32")
    return rounded


def _booleans(content: memoryview) -> Array:
    elements = np.frombuffer(content, np.uint8)
    if elements.size and elements.max() > 1:
        raise TensorInvalid("an element of BOOL is a byte 0 or 1")
    return elements.view(np.bool_)


def _split(content: memoryview, n_elements: int) -> list[bytes]:
    if n_elements * _LENGTH_BYTES > len(content):  # before a loop over as many as somebody claims
        raise TensorInvalid(f"{n_elements} elements of BYTES take more than the {len(content)} bytes sent")
    elements, place = [], 0
    for _ in range(n_elements):
        start = place + _LENGTH_BYTES
        end = start + int.from_bytes(content[place:start], "little")
        if start > len(content) or end > len(content):
            raise TensorInvalid("an element of BYTES is longer than what was sent")
        elements.append(bytes(content[start:end]))
        place = end
    if place != len(content):
        raise TensorInvalid(f"{len(content) - place} bytes follow the last of {n_elements} elements")
    return elements


def _texts(elements: Sequence[str | bytes]) -> Array:
    texts = np.empty(len(elements), np.object_)
    try:
        texts[:] = [element.decode() if isinstance(element, bytes) else element for element in elements]
    except UnicodeDecodeError as error:
        raise TensorInvalid("an element of BYTES is no UTF-8") from error
    return texts
