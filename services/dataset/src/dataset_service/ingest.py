"""An uploaded file becomes a table: its format is recognised, its content checked, its types found."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import polars as pl
from pynomaly_chassis.problems import Invalid, UnsupportedMediaType
from pynomaly_chassis.storage import room_needed
from pynomaly_contracts.datasets import Column
from pynomaly_contracts.labels import parse_label
from pynomaly_contracts.media import CSV, PARQUET

from dataset_service.csv_layout import check_names
from dataset_service.csv_scan import check_csv
from dataset_service.csv_types import CsvTypes, find_decimal_commas, infer_types
from dataset_service.errors import InvalidFile
from dataset_service.parquet import Table, block_rows, column_type, read_blocks, write_table

Format = Literal["csv", "parquet"]

_PARQUET_MAGIC = b"PAR1"
_TEXT_TYPES = frozenset(
    {
        "",
        CSV,
        "text/plain",
        "text/tab-separated-values",
        "application/csv",
        "application/octet-stream",
        "application/vnd.ms-excel",  # what Windows says of a .csv where Excel is installed
    }
)
_FOREIGN = {
    b"PK\x03\x04": "a zip or Excel file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"ARROW1": "an Arrow file",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"SQLite": "a SQLite file",
}


def recognise(content_type: str, head: bytes) -> Format:
    """The file's format, by its first bytes before its type. Raises UnsupportedMediaType (415), InvalidFile (422)."""
    if head.startswith(_PARQUET_MAGIC):
        return "parquet"
    foreign = next((name for magic, name in _FOREIGN.items() if head.startswith(magic)), None)
    if foreign is not None:
        raise UnsupportedMediaType(f"the file is {foreign}; send CSV or Parquet")
    if content_type in _TEXT_TYPES:
        return "csv"
    if content_type in (PARQUET, "application/x-parquet", "application/parquet"):
        raise InvalidFile.at("the file does not begin as Parquet does")
    raise UnsupportedMediaType(f"the file is {content_type}; send CSV (text/csv) or Parquet ({PARQUET})")


def ingest(source: Path, target: Path, given: Format, *, max_columns: int, target_column: str | None) -> Table:
    """Write the file `source` to `target` as a checked Parquet table; `source` may be changed.

    Raises InvalidFile and Invalid (422), StorageFull (507).
    """
    convert = _ingest_csv if given == "csv" else _ingest_parquet
    with room_needed():
        table = convert(source, target, max_columns)
    if target_column is not None:
        _check_labels(target, table, target_column)
    return table


def _ingest_csv(source: Path, target: Path, max_columns: int) -> Table:
    layout, n_rows = check_csv(source, max_columns=max_columns)
    cells = pl.scan_csv(
        source,
        has_header=False,
        skip_rows=1,
        separator=layout.delimiter,
        schema=dict.fromkeys(layout.names, pl.String),
        glob=False,
    )
    types = infer_types(cells, layout.names)
    if layout.delimiter != ",":
        _refuse_decimal_commas(cells, types)
    group_rows = block_rows(len(layout.names), n_rows, source.stat().st_size)
    write_table(cells.select(types.conversions), target, group_rows=group_rows)
    n_written = _count(target)
    if n_written != n_rows:
        raise RuntimeError(f"{n_rows} records were counted and {n_written} written")
    return Table(n_rows, types.columns, group_rows)


def _refuse_decimal_commas(cells: pl.LazyFrame, types: CsvTypes) -> None:
    found = find_decimal_commas(cells, [column.name for column in types.columns if column.type == "string"])
    if found is not None:
        name, example = found
        message = f"column {name!r} has decimal commas, such as {example}; save the file with decimal points"
        raise InvalidFile.at(message, example, column=name)


def _ingest_parquet(source: Path, target: Path, max_columns: int) -> Table:
    with _unreadable_parquet():
        rows = pl.scan_parquet(source, glob=False)
        schema = rows.collect_schema()
        check_names(tuple(schema.names()), max_columns=max_columns)
        conversions = [_kept(name, stored) for name, stored in schema.items()]
        n_rows = _count(source)
        if n_rows == 0:
            raise InvalidFile.at("the file has no rows; send at least one")
        group_rows = block_rows(len(schema), n_rows, source.stat().st_size)
        write_table(rows.select(conversions), target, group_rows=group_rows)
        return Table(_count(target), _columns(target), group_rows)


@contextmanager
def _unreadable_parquet() -> Iterator[None]:
    """Polars' complaint as a problem; a full disk stays what it is."""
    try:
        with room_needed():
            yield
    except pl.exceptions.PolarsError as error:
        raise InvalidFile.at(f"the file is not readable Parquet: {str(error).splitlines()[0]}") from error
    except pl.exceptions.PanicException as error:
        raise InvalidFile.at("the file is not readable Parquet: its parts contradict each other") from error


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


def _count(path: Path) -> int:
    return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())


def _check_labels(path: Path, table: Table, target_column: str) -> None:
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
