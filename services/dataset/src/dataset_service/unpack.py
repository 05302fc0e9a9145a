"""Compressed uploads, expanded on disk under a limit."""

from collections.abc import Iterator
from pathlib import Path

from pynomaly_chassis.problems import BodyTooLarge
from pynomaly_chassis.storage import room_needed
from pynomaly_contracts.datasets import Compression

from dataset_service.errors import InvalidFile
from dataset_service.formats import HEAD_BYTES

_PIECE_BYTES = 1024 * 1024


def expand(source: Path, target: Path, compression: Compression, *, max_bytes: int) -> bytes:
    """Write the expanded content of `source` to `target`; returns its first bytes.

    Raises InvalidFile where it is corrupt or cut short, BodyTooLarge over max_bytes, StorageFull.
    """
    head, n_bytes = b"", 0
    with room_needed(), target.open("wb") as file:
        for piece in _pieces(source, compression):
            n_bytes += len(piece)
            if n_bytes > max_bytes:
                raise BodyTooLarge(f"the file expands to over {max_bytes} bytes; send it in parts")
            head = head or piece[:HEAD_BYTES]
            file.write(piece)
    return head


def _pieces(source: Path, compression: Compression) -> Iterator[bytes]:
    import pyarrow as pa  # noqa: PLC0415 - 40 MiB that only some uploads need

    with pa.OSFile(str(source)) as packed, pa.CompressedInputStream(packed, compression) as stream:
        while True:
            try:
                piece = stream.read(_PIECE_BYTES)
            except OSError as error:
                raise InvalidFile.at(f"the {compression} data is corrupt or cut short: {error}") from error
            if not piece:
                return
            yield piece
