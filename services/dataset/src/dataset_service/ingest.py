"""An uploaded file becomes a table: its format is recognised, its content checked, its types found."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import polars as pl
from pynomaly_chassis.problems import Invalid
from pynomaly_chassis.storage import room_needed
from pynomaly_contracts.datasets import Column, SourceFile
from pynomaly_contracts.labels import parse_label

from dataset_service import arrow_file, excel, json_rows
from dataset_service.csv_columns import CsvColumns
from dataset_service.csv_layout import CsvLayout, check_names
from dataset_service.csv_scan import check_csv
from dataset_service.csv_types import Spelling, find_times
from dataset_service.errors import InvalidFile
from dataset_service.formats import HEAD_BYTES, compression_of, recognise
from dataset_service.parquet import Table, block_rows, column_type, read_blocks, write_table
from dataset_service.reading import ReadingWanted
from dataset_service.transcode import UTF8, encoding_of, transcode
from dataset_service.unpack import expand


class Ingested(NamedTuple):
    """A file as it came, a free path, and the table that is to be made of it."""

    source: Path
    scratch: Path
    target: Path


@dataclass(frozen=True)
class Ingestion:
    """One file on its way: where it lies, and where to write what is made of it.

    source: as it came; it may be changed. scratch: a free path. target: the table, as Parquet.
    """

    source: Path
    scratch: Path
    target: Path
    fields: ReadingWanted
    content_type: str
    max_columns: int
    max_expanded_bytes: int
    target_column: str | None = None

    def run(self) -> tuple[Table, SourceFile]:
        """Raises UnsupportedMediaType (415), BodyTooLarge (413), InvalidFile and Invalid (422), StorageFull (507)."""
        with room_needed():
            table, found = self._convert()
        if self.target_column is not None:
            check_labels(self.target, table, self.target_column)
        return table, found

    def _convert(self) -> tuple[Table, SourceFile]:
        head = self._head()
        compression = compression_of(head)
        if compression is not None:
            head = expand(self.source, self.scratch, compression, max_bytes=self.max_expanded_bytes)
            self.scratch.replace(self.source)
        given = self.fields.format or recognise("" if compression else self.content_type, head)
        readers = {
            "csv": self._csv,
            "ndjson": self._ndjson,
            "json": self._json,
            "parquet": self._parquet,
            "arrow": self._arrow,
            "excel": self._excel,
        }
        table, found = readers[given]()
        return table, found.model_copy(update={"compression": compression})

    def _csv(self) -> tuple[Table, SourceFile]:
        encoding = self._as_utf8()
        layout, n_rows = check_csv(self.source, self.fields, max_columns=self.max_columns)
        cells = pl.scan_csv(
            self.source,
            has_header=False,
            skip_rows=int(layout.header),
            separator=layout.delimiter,
            schema=dict.fromkeys(layout.names, pl.String),
            glob=False,
        )
        table, spelling = self._typed(cells, layout, n_rows)
        found = SourceFile(
            format="csv",
            delimiter=layout.delimiter,
            decimal=spelling.decimal,
            header=layout.header,
            encoding=encoding,
            null_words=["", *spelling.null_words],
        )
        return table, found

    def _typed(self, cells: pl.LazyFrame, layout: CsvLayout, n_rows: int) -> tuple[Table, Spelling]:
        """Written by what the first rows say; again where the whole file says otherwise."""
        columns = CsvColumns(cells, layout, self.fields)
        guess = columns.guess(block_rows(len(layout.names), n_rows, self.source.stat().st_size))
        table = self._write(cells.select(guess.types.conversions), n_rows, guess.types.columns)
        if columns.holds(guess, pl.scan_parquet(self.target, glob=False)):
            return table, guess.spelling
        types, spelling = columns.read_all()
        return self._write(cells.select(types.conversions), n_rows, types.columns), spelling

    def _ndjson(self) -> tuple[Table, SourceFile]:
        encoding = self._as_utf8()
        return self._lines(), SourceFile(format="ndjson", encoding=encoding)

    def _json(self) -> tuple[Table, SourceFile]:
        encoding = self._as_utf8()
        json_rows.write_lines(self.source, self.scratch)
        self.scratch.replace(self.source)
        return self._lines(), SourceFile(format="json", encoding=encoding)

    def _lines(self) -> Table:
        with _unreadable("JSON"):  # whole numbers of hundreds of digits are none for Polars
            return self._objects()

    def _objects(self) -> Table:
        rows, n_rows = json_rows.scan_lines(self.source, max_columns=self.max_columns)
        schema = rows.collect_schema()
        check_names(tuple(schema.names()), max_columns=self.max_columns)
        times = find_times(rows, [name for name, stored in schema.items() if stored == pl.String])
        return self._write(rows.with_columns(times), n_rows)

    def _parquet(self) -> tuple[Table, SourceFile]:
        with _unreadable("Parquet"):
            return self._frame(pl.scan_parquet(self.source, glob=False)), SourceFile(format="parquet")

    def _arrow(self) -> tuple[Table, SourceFile]:
        if self._head().startswith(arrow_file.STREAM):
            arrow_file.write_file(self.source, self.scratch)
            self.scratch.replace(self.source)
        with _unreadable("Arrow"):
            return self._frame(pl.scan_ipc(self.source, glob=False)), SourceFile(format="arrow")

    def _excel(self) -> tuple[Table, SourceFile]:
        sheet = excel.read_sheet(self.source, self.scratch, self.fields.sheet)
        return self._frame(pl.scan_ipc(self.scratch, glob=False)), SourceFile(format="excel", sheet=sheet)

    def _frame(self, rows: pl.LazyFrame) -> Table:
        """Of a typed source."""
        schema = rows.collect_schema()
        check_names(tuple(schema.names()), max_columns=self.max_columns)
        conversions = [_kept(name, stored) for name, stored in schema.items()]
        n_rows = _count(rows)
        if n_rows == 0:
            raise InvalidFile.at("the file has no rows; send at least one")
        return self._write(rows.select(conversions), n_rows)

    def _write(self, rows: pl.LazyFrame, n_rows: int, columns: tuple[Column, ...] | None = None) -> Table:
        n_columns = len(columns or rows.collect_schema())
        group_rows = block_rows(n_columns, n_rows, self.source.stat().st_size)
        write_table(rows, self.target, group_rows=group_rows)
        n_written = _count(pl.scan_parquet(self.target, glob=False))
        if n_written != n_rows:
            raise RuntimeError(f"{n_rows} records were counted and {n_written} written")
        return Table(n_rows, columns or _columns(self.target), group_rows)

    def _head(self) -> bytes:
        with self.source.open("rb") as file:
            return file.read(HEAD_BYTES)

    def _as_utf8(self) -> str:
        encoding = encoding_of(self._head(), self.fields.encoding)
        if encoding != UTF8:
            transcode(self.source, self.scratch, encoding)
            self.scratch.replace(self.source)
        return encoding


@contextmanager
def _unreadable(form: str) -> Iterator[None]:
    """Polars' complaint as a problem; a full disk stays what it is."""
    try:
        with room_needed():
            yield
    except pl.exceptions.PolarsError as error:
        raise InvalidFile.at(f"the file is not readable {form}: {str(error).splitlines()[0]}") from error
    except OSError as error:
        if type(error) is not OSError:  # missing, or not ours to read; what cannot be mapped has no kind
            raise
        raise InvalidFile.at(f"the file is not readable {form}: it is too short") from error
    except pl.exceptions.PanicException as error:
        raise InvalidFile.at(f"the file is not readable {form}: its parts contradict each other") from error


def _kept(name: str, stored: pl.DataType) -> pl.Expr:
    """The column in one of the types that tables have. Raises InvalidFile."""
    cells = pl.col(name)
    if stored.is_integer():
        return cells.cast(pl.Int64)
    if stored.is_float() or stored.is_decimal():
        return cells.cast(pl.Float64).fill_nan(None)
    if isinstance(stored, pl.Datetime):
        return cells.cast(pl.Datetime("us", "UTC" if stored.time_zone else None))
    if stored in (pl.Categorical, pl.Enum, pl.Null):
        return cells.cast(pl.String)
    if stored in (pl.Boolean, pl.String, pl.Date):
        return cells
    message = f"column {name!r} is of type {stored}; make it a number, text, boolean, date or datetime"
    raise InvalidFile.at(message, str(stored), column=name)


def _columns(path: Path) -> tuple[Column, ...]:
    schema = pl.read_parquet_schema(path)
    types = ((name, column_type(stored)) for name, stored in schema.items())
    return tuple(Column(name=name, type=kind) for name, kind in types if kind is not None)


def _count(rows: pl.LazyFrame) -> int:
    return int(rows.select(pl.len()).collect(engine="streaming").item())


def check_labels(path: Path, table: Table, target_column: str) -> None:
    """Raises Invalid where the target column is missing or has a cell that is no label."""
    names = [column.name for column in table.columns]
    if target_column not in names:
        listed = ", ".join(names[:20])
        message = f"the file has no column {target_column!r}; it has {listed}"
        raise Invalid.field("body.target_column", target_column, message)
    start = 0
    for block in read_blocks(path, table.n_rows, columns=[target_column], group_rows=table.block_rows):
        cells = block.to_series()
        for value in cells.unique(maintain_order=True):
            _check_label(target_column, value, cells, start)
        start += len(cells)


def _check_label(column: str, value: object, cells: pl.Series, start: int) -> None:
    try:
        parse_label(value)
    except ValueError as error:
        row = start + int((cells.is_null() if value is None else cells == value).arg_max() or 0) + 1
        said = f"row {row} of column {column!r} has no label" if value is None else f"row {row}: {error}"
        problem = Invalid.field("body.target_column", value, said)
        problem.members |= {"column": column, "row": row}
        raise problem from error
