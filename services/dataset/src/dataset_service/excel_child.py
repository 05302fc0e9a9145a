"""The process that reads one workbook: `python -m dataset_service.excel_child WORKBOOK TARGET [SHEET]`.

It tells in JSON what became of that, and ends with another code than 0 where its memory or time did not suffice.
"""

import resource
import sys
from pathlib import Path
from typing import Any

import orjson

MEMORY_BYTES = 3 * 1024**3
CPU_S = 300
SHEET, UNREADABLE, ABSENT = "sheet", "unreadable", "absent"
_EXACT = 2**53  # every whole number up to it is a float64


def main(arguments: list[str]) -> dict[str, str]:
    """What to tell: of the sheet that was written to TARGET, or why none was."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, target, *wanted = arguments
    return _read(Path(source), Path(target), wanted[0] if wanted else None)


def _read(source: Path, target: Path, wanted: str | None) -> dict[str, str]:
    import fastexcel  # noqa: PLC0415 - the service reads the names above, and has no need of this

    try:
        book = fastexcel.read_excel(source)
        name = wanted or next(iter(book.sheet_names), None)
        if name is None:
            return {UNREADABLE: "the workbook has no sheet"}
        if name not in book.sheet_names:
            return {ABSENT: f"the workbook has no such sheet; it has {', '.join(book.sheet_names[:20])}"}
        rows = book.load_sheet(name, schema_sample_rows=None).to_polars()
    except fastexcel.FastExcelError as error:
        return {UNREADABLE: f"the workbook cannot be read: {str(error).splitlines()[0]}"}
    if not rows.height:
        return {UNREADABLE: f"sheet {name!r} has no rows; send a header and at least one row"}
    rows.with_columns(_narrowed(column) for column in rows).write_ipc(target)
    return {SHEET: name}


def _narrowed(column: Any) -> Any:
    """Excel has one kind of number and one of moment: whole numbers are integers, and midnights dates."""
    import polars as pl  # noqa: PLC0415 - as above

    if column.dtype == pl.Float64 and ((column % 1 == 0) & (column.abs() <= _EXACT)).all():
        return column.cast(pl.Int64)
    if column.dtype == pl.Datetime and (column.dt.truncate("1d") == column).all():
        return column.cast(pl.Date)
    return column


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(main(sys.argv[1:])))
