"""Rows of a query as a Parquet file, a block at a time. CPU work: call it in a thread."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq


class BlockWriter:
    """A file that grows by a row group per block. row_bytes: of a row in memory, the widest block's mean."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema, self.row_bytes = path, schema, 0
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    @property
    def n_columns(self) -> int:
        return len(self._schema)

    def write(self, rows: Sequence[Sequence[Any]]) -> int:
        """The bytes of the file so far."""
        columns = [self._column(place, [row[place] for row in rows]) for place in range(self.n_columns)]
        table = pa.Table.from_arrays(columns, schema=self._schema)
        self._writer.write_table(table)
        self.row_bytes = max(self.row_bytes, table.nbytes // len(rows))
        return self._path.stat().st_size

    def _column(self, place: int, cells: list[Any]) -> pa.Array:
        kind = self._schema.field(place).type
        if pa.types.is_string(kind):
            cells = [None if cell is None else _text(cell) for cell in cells]
        elif pa.types.is_floating(kind):
            cells = [float(cell) if isinstance(cell, Decimal) else cell for cell in cells]
        return pa.array(cells, kind)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        self._writer.close()


def _text(cell: Any) -> str:
    """PostgreSQL's type of one byte, "char", comes as bytes."""
    return cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)
