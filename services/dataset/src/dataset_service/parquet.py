"""Tables as Parquet files: written in row groups of bounded size, read back in blocks of the same size."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pynomaly_contracts.datasets import Column, ColumnType

BLOCK_CELLS = 1_000_000
BLOCK_BYTES = 32 * 1024 * 1024
MAX_BLOCK_ROWS = 65_536
DISK_PROBE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Table:
    """What a Parquet file holds."""

    n_rows: int
    columns: tuple[Column, ...]
    block_rows: int


def block_rows(n_columns: int, n_rows: int, size_bytes: int) -> int:
    """Rows that are held at once, so that a block stays within some tens of megabytes; at least 1."""
    by_bytes = BLOCK_BYTES * n_rows // max(size_bytes, 1)
    return max(1, min(MAX_BLOCK_ROWS, BLOCK_CELLS // n_columns, by_bytes))


def write_table(rows: pl.LazyFrame, path: Path, *, group_rows: int) -> None:
    """Stream rows to a file, in their order. Raises OSError where the disk is full, PolarsError."""
    try:
        rows.sink_parquet(path, row_group_size=group_rows, maintain_order=True, engine="streaming")
    except pl.exceptions.PolarsError:
        _write_more(path)
        raise


def _write_more(path: Path) -> None:
    """Ask the disk itself: of a write that fails in a file's footer Polars says "transport error" alone."""
    with path.open("ab") as file:
        file.write(bytes(DISK_PROBE_BYTES))


def read_blocks(
    path: Path, n_rows: int, *, columns: Sequence[str] | None = None, offset: int = 0, group_rows: int
) -> Iterator[pl.DataFrame]:
    """Rows offset .. n_rows in order, a block at a time; at least one block, so that its schema is seen."""
    rows = pl.scan_parquet(path, glob=False)
    chosen = rows if columns is None else rows.select(columns)
    for start in range(offset, max(n_rows, offset + 1), group_rows):
        yield chosen.slice(start, min(group_rows, max(n_rows - start, 0))).collect(engine="streaming")


def column_type(stored: pl.DataType) -> ColumnType | None:
    """The contract's word for a stored type; None where a table cannot keep it."""
    if stored.is_integer():
        return "integer"
    if stored.is_float():
        return "number"
    if stored == pl.Datetime:
        return "datetime"
    words: dict[pl.DataType, ColumnType] = {pl.Boolean(): "boolean", pl.String(): "string", pl.Date(): "date"}
    return words.get(stored)
