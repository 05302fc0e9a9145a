"""Bytes that are made as they are sent, with what HTTP offers for files: ETag and a byte range (RFC 9110, 8 and 14).

The same rows in the same form are the same bytes, so an interrupted download goes on where it stopped.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import BinaryIO

from fastapi import Response
from fastapi.responses import StreamingResponse
from pynomaly_chassis.conditional import RangeNotSatisfiable, satisfiable
from pynomaly_chassis.storage import room_needed
from pynomaly_contracts.datasets import Dataset

from dataset_service.rows import RowFormat, RowsWanted
from dataset_service.spool import Spool

_PIECE_BYTES = 1024 * 1024


def etag_of(dataset: Dataset, form: RowFormat, wanted: RowsWanted) -> str:
    """Strong: it stands for these bytes alone."""
    rows = wanted.columns, wanted.offset, wanted.limit, wanted.filters, *(["escaped"] * wanted.escape_formulas)
    said = repr((str(dataset.id), dataset.version, form.media_type, rows))
    return f'"{hashlib.sha256(said.encode()).hexdigest()[:32]}"'


async def begun(content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes, the first piece made already: what cannot be begun is refused while nothing is said yet."""
    first = await anext(content, b"")

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for piece in content:
            yield piece

    return whole()


async def spooled(content: AsyncIterator[bytes], spool: Spool) -> BinaryIO:
    """The whole content in a file without a name: it is gone when it is closed. Raises StorageFull."""
    with ExitStack() as opened:
        opened.enter_context(room_needed())
        file = opened.enter_context(opened.enter_context(spool.file(".rows")).open("w+b"))
        async for piece in content:
            await asyncio.to_thread(file.write, piece)
        await asyncio.to_thread(file.flush)
        return os.fdopen(os.dup(file.fileno()), "rb")


def part_of(file: BinaryIO, wanted: tuple[int, int | None], headers: dict[str, str], media_type: str) -> Response:
    """The bytes that are wanted (206). Raises RangeNotSatisfiable (416)."""
    try:
        part = satisfiable(wanted, file.seek(0, os.SEEK_END))
    except RangeNotSatisfiable:
        file.close()
        raise
    file.seek(part.first)
    return StreamingResponse(_pieces(file, part.end - part.first), 206, {**headers, **part.headers}, media_type)


def whole_of(file: BinaryIO, headers: dict[str, str], media_type: str) -> Response:
    """All bytes of a file, which is closed after them."""
    n_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    said = {**headers, "content-length": str(n_bytes)}
    return StreamingResponse(_pieces(file, n_bytes), headers=said, media_type=media_type)


async def _pieces(file: BinaryIO, left: int) -> AsyncIterator[bytes]:
    with file:
        while left > 0:
            piece = await asyncio.to_thread(file.read, min(_PIECE_BYTES, left))
            left -= len(piece)
            yield piece
