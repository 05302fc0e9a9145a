"""Rows after rows: a new version from the one before and a file with the same columns."""

from pathlib import Path

import polars as pl
from pynomaly_chassis.storage import room_needed
from pynomaly_contracts.datasets import Column, Dataset

from dataset_service.errors import InvalidFile
from dataset_service.parquet import Table, block_rows, write_table

_STORED: dict[str, pl.DataType] = {"integer": pl.Int64(), "number": pl.Float64()}


def append(before: Path, dataset: Dataset, new: Path, table: Table, target: Path) -> Table:
    """Write the rows of `before`, which `dataset` describes, and then those of `new` to `target`.

    The columns are those of the data set, in its order; whole numbers and numbers become numbers. Raises InvalidFile
    where the file's columns are others, StorageFull.
    """
    types = {column.name: _type_of(new, column) for column in table.columns}
    columns = _together(dataset.columns, types)
    stored = [pl.read_parquet_schema(before)[column.name] for column in columns]
    cells = [_cell(column, kind) for column, kind in zip(columns, stored, strict=True)]
    rows = pl.concat([pl.scan_parquet(path, glob=False).select(cells) for path in (before, new)])
    n_rows = dataset.n_rows + table.n_rows
    group_rows = block_rows(len(columns), n_rows, before.stat().st_size + new.stat().st_size)
    with room_needed():
        write_table(rows, target, group_rows=group_rows)
    return Table(n_rows, columns, group_rows)


def _type_of(path: Path, column: Column) -> str | None:
    """None where no row has a value: it goes with any type."""
    if column.type != "string":
        return column.type
    empty = pl.scan_parquet(path, glob=False).select(pl.col(column.name).is_null().all()).collect().item()
    return None if empty else column.type


def _cell(column: Column, stored: pl.DataType) -> pl.Expr:
    """In the column's one type. A moment without a zone is taken for UTC, where the others have zones."""
    cell = pl.col(column.name)
    if isinstance(stored, pl.Datetime):
        return cell.cast(pl.Datetime("us")).dt.replace_time_zone(stored.time_zone)
    return cell.cast(_STORED.get(column.type, stored))


def _together(known: list[Column], given: dict[str, str | None]) -> tuple[Column, ...]:
    lacking = [column.name for column in known if column.name not in given]
    strange = sorted(set(given) - {column.name for column in known})
    if lacking or strange:
        said = [f"lacks {', '.join(lacking)}"] * bool(lacking) + [f"has also {', '.join(strange)}"] * bool(strange)
        message = f"the file {' and '.join(said)}; appended rows need the data set's columns, or use mode=replace"
        raise InvalidFile.at(message, column=(lacking + strange)[0])
    return tuple(_one(column, given[column.name]) for column in known)


def _one(known: Column, given: str | None) -> Column:
    if given in (None, known.type):
        return known
    if {known.type, given} == {"integer", "number"}:
        return Column(name=known.name, type="number")
    message = f"column {known.name!r} holds {known.type} values, and {given} values in the file; make them alike"
    raise InvalidFile.at(message, given, column=known.name)
