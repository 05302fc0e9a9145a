"""Thrift's compact protocol (apache/thrift: doc/specs/thrift-compact-protocol.md), as far as Parquet uses it."""

from collections.abc import Callable
from typing import Any

_MAX_DEPTH = 16
Struct = dict[int, Any]


class CompactReader:
    """Reads from `at` on; then `at` is behind what was read. Everything raises ValueError on what makes no sense."""

    def __init__(self, content: bytes, at: int = 0) -> None:
        self._content, self.at, self._depth = content, at, 0
        self._kinds: dict[int, Callable[[], Any]] = {
            1: lambda: True,
            2: lambda: False,
            3: lambda: self._take(1),
            **dict.fromkeys((4, 5, 6), self._zigzag),
            7: lambda: self._take(8),
            8: lambda: self._take(self._varint()),
            **dict.fromkeys((9, 10), self._list),
            12: self.struct,
        }

    def struct(self) -> Struct:
        """The fields by their numbers."""
        fields: Struct = {}
        number = 0
        while kind := self._byte():
            number = number + (kind >> 4) if kind >> 4 else self._zigzag()
            fields[number] = self._value(kind & 15)
        return fields

    def _list(self) -> list[Any]:
        kind = self._byte()
        length = self._varint() if kind >> 4 == 15 else kind >> 4
        if length > len(self._content) - self.at:
            raise ValueError("a list is longer than what holds it")
        if kind & 15 in {1, 2}:  # booleans of a list take a byte each
            return list(self._take(length))
        return [self._value(kind & 15) for _ in range(length)]

    def _value(self, kind: int) -> Any:
        if kind not in self._kinds or self._depth > _MAX_DEPTH:
            raise ValueError("a value has an unknown kind")
        self._depth += 1
        value = self._kinds[kind]()
        self._depth -= 1
        return value

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 64, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a number does not end")

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, n_bytes: int) -> bytes:
        taken = self._content[self.at : self.at + n_bytes]
        if len(taken) < n_bytes:
            raise ValueError("it is cut off")
        self.at += n_bytes
        return taken
