"""Rows out: CSV, NDJSON, Arrow and Parquet, a block at a time. Numbers are written so that they read back exactly."""

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import polars.selectors as cs
from pynomaly_chassis.accepting import media_ranges
from pynomaly_contracts.datasets import Dataset
from pynomaly_contracts.media import ARROW_STREAM, CSV, NDJSON, PARQUET

from dataset_service.errors import NotAcceptable
from dataset_service.filters import parse_filters
from dataset_service.parquet import block_rows, read_blocks

Encode = Callable[[Iterable[pl.DataFrame]], Iterator[bytes]]

_FORMULA = r"^[=+\-@\t\r]"
_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def encode_csv(blocks: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """One header, then the rows. A missing text is an empty cell, an empty text a pair of quotes."""
    for number, block in enumerate(blocks):
        yield _with_iso_times(block).write_csv(include_header=number == 0).encode()


def encode_ndjson(blocks: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """An object per row."""
    for block in blocks:
        if _has_infinities(block):  # Polars would write null
            yield b"".join(orjson.dumps(row) + b"\n" for row in json_rows(block))
        else:
            yield _with_iso_times(block).write_ndjson().encode()


def encode_arrow(blocks: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """One Arrow IPC stream: of each block's own stream, only the first keeps its schema, and none its end."""
    for number, block in enumerate(blocks):
        stream = io.BytesIO()
        block.write_ipc_stream(stream, compat_level=pl.CompatLevel.oldest())
        content = stream.getbuffer()
        start = 0 if number == 0 else 8 + int.from_bytes(content[4:8], "little")
        yield bytes(content[start : -len(_END_OF_STREAM)])
    yield _END_OF_STREAM


def encode_parquet(blocks: Iterable[pl.DataFrame]) -> Iterator[bytes]:
    """One Parquet file, a row group per block, sent as it grows."""
    import pyarrow as pa  # noqa: PLC0415 - 40 MiB that only some callers need
    import pyarrow.parquet as pq  # noqa: PLC0415

    grown = _Grown()
    writer: pq.ParquetWriter | None = None
    for block in blocks:
        table = pa.ipc.open_stream(b"".join(encode_arrow([block]))).read_all()
        writer = writer or pq.ParquetWriter(grown, table.schema, compression="zstd")
        writer.write_table(table)
        yield grown.take()
    if writer is not None:
        writer.close()
        yield grown.take()


class _Grown(io.RawIOBase):
    """A file that forgets what was taken of it, and knows where it is all the same."""

    def __init__(self) -> None:
        self._content, self._position = bytearray(), 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        view = memoryview(content).cast("B")
        self._content += view
        self._position += len(view)
        return len(view)

    def tell(self) -> int:
        return self._position

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = bytes(self._content)
        self._content.clear()
        return taken


def json_rows(block: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON carries them: dates and times in ISO 8601, infinities as the words Infinity and -Infinity."""
    plain = block.with_columns(cs.date().cast(pl.String))
    rows = _with_iso_times(plain).to_dicts()
    if _has_infinities(block):
        rows = [{name: _finite_or_word(value) for name, value in row.items()} for row in rows]
    return rows


def escaped_formulas(block: pl.DataFrame) -> pl.DataFrame:
    """Texts and names that a spreadsheet would compute begin with an apostrophe, which it shows as text (OWASP)."""
    marked = pl.when(cs.string().str.contains(_FORMULA)).then("'" + cs.string()).otherwise(cs.string())
    escaped = block.with_columns(marked.name.keep())
    return escaped.rename(_escaped_names(block.columns))


def _escaped_names(names: Sequence[str]) -> dict[str, str]:
    """Of those that are formulas; with as many apostrophes as it takes to be no other column's name."""
    taken, found = set(names), {}
    for name in filter(re.compile(_FORMULA).match, names):
        new = f"'{name}"
        while new in taken:
            new = f"'{new}"
        taken.add(new)
        found[name] = new
    return found


def _with_iso_times(block: pl.DataFrame) -> pl.DataFrame:
    return block.with_columns(cs.datetime().dt.to_string("iso:strict"))


def _has_infinities(block: pl.DataFrame) -> bool:
    return any(column.is_infinite().any() for column in block.select(cs.float()))


def _finite_or_word(value: Any) -> Any:
    words = {float("inf"): "Infinity", float("-inf"): "-Infinity"}
    return words.get(value, value) if isinstance(value, float) else value


@dataclass(frozen=True)
class RowsWanted:
    """Some rows of some columns, in file order; None: all of them."""

    columns: list[str] | None
    offset: int
    limit: int | None
    filters: tuple[str, ...] = ()
    version: str | None = None
    escape_formulas: bool = False

    def blocks(self, path: Path, dataset: Dataset) -> Iterator[pl.DataFrame]:
        """What is wanted of the table at `path`, a block at a time; at least one. Raises Invalid on a wrong filter."""
        condition = parse_filters(self.filters, dataset.columns)
        group_rows = block_rows(len(dataset.columns), dataset.n_rows, dataset.size_bytes)
        if condition is None:
            stop = self.stop(dataset.n_rows)
            yield from read_blocks(path, stop, columns=self.columns, offset=self.offset, group_rows=group_rows)
            return
        to_skip, left = self.offset, dataset.n_rows if self.limit is None else self.limit
        for number, whole in enumerate(read_blocks(path, dataset.n_rows, group_rows=group_rows)):
            found = whole.filter(condition)
            block = found.slice(to_skip, left)
            to_skip, left = max(0, to_skip - found.height), left - block.height
            if block.height or number == 0:
                yield block if self.columns is None else block.select(self.columns)
            if left == 0:
                return

    def stop(self, n_rows: int) -> int:
        """The row, from 0, at which to stop in a table of n_rows."""
        return n_rows if self.limit is None else min(n_rows, self.offset + self.limit)


@dataclass(frozen=True)
class RowFormat:
    """A media type, its file suffix, and how blocks become its bytes."""

    media_type: str
    suffix: str
    encode: Encode


FORMATS = (
    RowFormat(CSV, "csv", encode_csv),
    RowFormat(NDJSON, "ndjson", encode_ndjson),
    RowFormat(ARROW_STREAM, "arrow", encode_arrow),
    RowFormat(PARQUET, "parquet", encode_parquet),
)


def negotiate(accept: str) -> RowFormat:
    """The format that an Accept header wants most; CSV where it does not care. Raises NotAcceptable (406)."""
    for wanted, quality in media_ranges(accept):
        for offered in FORMATS:
            if quality > 0 and wanted in ("*/*", offered.media_type, offered.media_type.partition("/")[0] + "/*"):
                return offered
    listed = ", ".join(offered.media_type for offered in FORMATS)
    raise NotAcceptable(f"Accept: {accept[:200]} has none of {listed}", offered=[f.media_type for f in FORMATS])
