"""What the messages of an Arrow IPC stream would be in memory.

Arrow's reader allocates what a compressed buffer says that it will be. That is said in its first eight bytes, and
where the buffers are, in the message's flatbuffer (format/Message.fbs), which is read here: enough of it.
"""

import struct
from collections.abc import Callable

_HEADER_TYPE, _HEADER = 1, 2  # fields of Message
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_DICTIONARY_DATA = 1  # field of DictionaryBatch
_BUFFERS, _COMPRESSION = 2, 3  # fields of RecordBatch
_STORED = -1  # a buffer that compression would have made larger


def inflated_bytes(metadata: bytes, read_body: Callable[[int, int], bytes]) -> int:
    """The bytes of a message's compressed buffers once they are not; 0 where none is.

    read_body: `length` bytes of the message's body from `offset`. Raises ValueError on what makes no sense.
    """
    try:
        batch = _batch(metadata)
        if batch is None or _field(metadata, batch, _COMPRESSION) is None:
            return 0
        return sum(_inflated(read_body(offset, length)) for offset, length in _buffers(metadata, batch) if length)
    except struct.error as error:
        raise ValueError("a message makes no sense") from error


def _batch(metadata: bytes) -> int | None:
    """Where the RecordBatch is, also that of a DictionaryBatch."""
    message = _indirect(metadata, 0)
    kind, header = _field(metadata, message, _HEADER_TYPE), _field(metadata, message, _HEADER)
    if kind is None or header is None:
        return None
    table = _indirect(metadata, header)
    if metadata[kind] == _DICTIONARY_BATCH:
        data = _field(metadata, table, _DICTIONARY_DATA)
        return None if data is None else _indirect(metadata, data)
    return table if metadata[kind] == _RECORD_BATCH else None


def _buffers(metadata: bytes, batch: int) -> list[tuple[int, int]]:
    field = _field(metadata, batch, _BUFFERS)
    if field is None:
        return []
    vector = _indirect(metadata, field)
    (count,) = struct.unpack_from("<I", metadata, vector)
    return list(struct.iter_unpack("<qq", metadata[vector + 4 : vector + 4 + 16 * count]))


def _inflated(buffer: bytes) -> int:
    (n_bytes,) = struct.unpack_from("<q", buffer)
    if n_bytes < _STORED:
        raise ValueError("a buffer has a negative length")
    return max(0, int(n_bytes))


def _indirect(metadata: bytes, at: int) -> int:
    return at + int(struct.unpack_from("<I", metadata, at)[0])


def _field(metadata: bytes, table: int, index: int) -> int | None:
    """Where a table's field is, if it has it."""
    vtable = table - int(struct.unpack_from("<i", metadata, table)[0])
    (size,) = struct.unpack_from("<H", metadata, vtable)
    if 4 + 2 * index >= size:
        return None
    (offset,) = struct.unpack_from("<H", metadata, vtable + 4 + 2 * index)
    return table + offset if offset else None
