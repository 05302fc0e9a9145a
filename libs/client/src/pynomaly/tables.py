"""Tables that users hold, as a file to upload: paths, files, dictionaries, arrays and frames."""

import csv
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias
from uuid import uuid4

from pynomaly.core.call import Upload
from pynomaly.errors import InvalidInput

# A path, bytes, a binary file, a list of dicts, a NumPy array, a Polars or a pandas frame.
Table: TypeAlias = Any


@contextmanager
def uploaded(
    table: Table, columns: Sequence[str] | None, fields: Mapping[str, str | None], *, named: bool = True
) -> Iterator[Upload]:
    """The table as a multipart body, open while the block lasts. Frames become a temporary CSV file on disk.

    columns: names for an array's columns; f1, f2, ... without. named: a `name` that is not said comes from the file's.
    """
    said = {name: text for name, text in fields.items() if text is not None}
    found = _opened(table)
    if found is None:
        found = _written(_writer_of(table, columns)), f"dataset-{uuid4().hex[:8]}.csv"
        said["header"] = "true"  # names that are numbers are names all the same
    stream, filename = found
    if named:
        said.setdefault("name", name_from(filename))
    try:
        yield Upload(filename, stream, said, replayable=stream.seekable())
    finally:
        if stream is not table:
            stream.close()


def name_from(filename: str) -> str:
    """A resource name out of a file's: 'Q3 sales (final).csv' becomes 'Q3-sales-final'."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(filename).stem).strip("-._")
    return stem[:128] or f"dataset-{uuid4().hex[:8]}"


def _opened(table: Table) -> tuple[BinaryIO, str] | None:
    """What is a file already, and its name."""
    if isinstance(table, (str, os.PathLike)):
        return _file(Path(table))
    if isinstance(table, (bytes, bytearray, memoryview)):
        return io.BytesIO(table), "dataset.csv"
    if hasattr(table, "read"):
        return _binary(table), Path(str(getattr(table, "name", "dataset.csv"))).name
    return None


def _file(path: Path) -> tuple[BinaryIO, str]:
    try:
        return path.open("rb"), path.name
    except OSError as error:
        raise InvalidInput(f"file: {str(path)!r} cannot be read: {error.strerror}") from error


def _binary(stream: Any) -> BinaryIO:
    if isinstance(stream, io.TextIOBase):
        raise InvalidInput("file: it is open as text; open it with mode 'rb', so that its bytes arrive as they are")
    binary: BinaryIO = stream
    return binary


def _written(write: Callable[[BinaryIO], None]) -> BinaryIO:
    stream: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - `uploaded` closes it
    try:
        write(stream)
    except BaseException:
        stream.close()
        raise
    stream.seek(0)
    return stream


def _writer_of(table: Table, columns: Sequence[str] | None) -> Callable[[BinaryIO], None]:
    """How this kind of table is written as CSV. A library that is not imported cannot have made the table."""
    pl, pd, np = (sys.modules.get(name) for name in ("polars", "pandas", "numpy"))
    if pl is not None and isinstance(table, pl.DataFrame):
        write: Callable[[BinaryIO], None] = table.write_csv
        return write
    if pd is not None and isinstance(table, pd.DataFrame):
        return lambda stream: table.to_csv(stream, index=False, mode="wb")
    if np is not None and isinstance(table, np.ndarray):
        return _array_writer(table, columns)
    if isinstance(table, Iterable) and not isinstance(table, Mapping):
        return _dicts_writer(list(table))
    raise InvalidInput(
        f"file: cannot upload a {type(table).__name__}; give a path, bytes, a binary file, a list of dicts, "
        "a NumPy array, or a Polars or pandas frame"
    )


def _array_writer(array: Any, columns: Sequence[str] | None) -> Callable[[BinaryIO], None]:
    if array.ndim != 2:
        raise InvalidInput(f"file: an array of shape {array.shape} is no table; (n_rows, n_columns) is needed")
    names = [f"f{place}" for place in range(1, array.shape[1] + 1)] if columns is None else list(columns)
    if len(names) != array.shape[1]:
        raise InvalidInput(f"columns: {len(names)} names for the {array.shape[1]} columns of the array")
    return lambda stream: _write_rows(stream, names, array.tolist())


def _dicts_writer(rows: list[Any]) -> Callable[[BinaryIO], None]:
    strangers = [place for place, row in enumerate(rows) if not isinstance(row, Mapping)]
    if strangers or not rows:
        what = f"row {strangers[0]} is a {type(rows[strangers[0]]).__name__}" if strangers else "there is no row"
        raise InvalidInput(f"file: {what}; each row must be a dict of column to value")
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    return lambda stream: _write_rows(stream, names, ([row.get(name) for name in names] for row in rows))


def _write_rows(stream: BinaryIO, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_cell(value) for value in row] for row in rows)
    text.detach()


def _cell(value: Any) -> Any:
    """NaN and None are both a missing value: an empty cell. Floats keep every digit."""
    return "" if value is None or value != value else value  # noqa: PLR0124 - NaN alone differs from itself
