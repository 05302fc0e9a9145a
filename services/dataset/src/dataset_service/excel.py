"""Excel workbooks: one sheet, held in memory, its first row naming the columns."""

import zipfile
from pathlib import Path

import polars as pl
from pynomaly_chassis.problems import BodyTooLarge, Invalid

from dataset_service.errors import InvalidFile

MAX_EXPANDED_BYTES = 512 * 1024 * 1024
_EXACT = 2**53  # every whole number up to it is a float64


def read_sheet(path: Path, sheet: str | None) -> tuple[str, pl.DataFrame]:
    """The sheet's name and its rows. Raises InvalidFile, Invalid where there is no such sheet, BodyTooLarge."""
    import fastexcel  # noqa: PLC0415 - only some uploads need it

    _check_size(path)
    try:
        book = fastexcel.read_excel(path)
        name = _chosen(book.sheet_names, sheet)
        rows = book.load_sheet(name, schema_sample_rows=None).to_polars()
    except fastexcel.FastExcelError as error:
        raise InvalidFile.at(f"the workbook cannot be read: {str(error).splitlines()[0]}") from error
    if not rows.height:
        raise InvalidFile.at(f"sheet {name!r} has no rows; send a header and at least one row", sheet=name)
    return name, rows.with_columns(_narrowed(column) for column in rows)


def _narrowed(column: pl.Series) -> pl.Series:
    """Excel has one kind of number and one of moment: whole numbers are integers, and midnights dates."""
    if column.dtype == pl.Float64 and ((column % 1 == 0) & (column.abs() <= _EXACT)).all():
        return column.cast(pl.Int64)
    if column.dtype == pl.Datetime and (column.dt.truncate("1d") == column).all():
        return column.cast(pl.Date)
    return column


def _chosen(names: list[str], sheet: str | None) -> str:
    if not names:
        raise InvalidFile.at("the workbook has no sheet")
    if sheet is not None and sheet not in names:
        raise Invalid.field("body.sheet", sheet, f"the workbook has no such sheet; it has {', '.join(names[:20])}")
    return sheet or names[0]


def _check_size(path: Path) -> None:
    """What the zip says of itself; a liar's CRC and length fail when it is read."""
    try:
        with zipfile.ZipFile(path) as book:
            names = book.namelist()
            n_bytes = sum(item.file_size for item in book.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise InvalidFile.at(f"the file is not a readable Excel workbook: {error}") from error
    if "[Content_Types].xml" not in names:
        raise InvalidFile.at("the file is a zip, but no Excel workbook (.xlsx); send the files in it one by one")
    if n_bytes > MAX_EXPANDED_BYTES:
        raise BodyTooLarge(f"the workbook expands to {n_bytes} bytes; send CSV or Parquet over {MAX_EXPANDED_BYTES}")
