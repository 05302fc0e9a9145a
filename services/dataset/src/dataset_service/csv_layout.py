"""A CSV file's head: its delimiter and its column names."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, get_args

from pynomaly_contracts.datasets import Delimiter

from dataset_service.errors import InvalidFile
from dataset_service.reading import ReadingWanted

DELIMITERS: tuple[Delimiter, ...] = get_args(Delimiter)
_YEARS = range(1900, 2101)
SNIFFED_RECORDS = 50
MAX_NAME_CHARS = 256


@dataclass(frozen=True)
class CsvLayout:
    """How to read a file."""

    delimiter: Delimiter
    names: tuple[str, ...]
    header: bool


def read_layout(head: str, wanted: ReadingWanted, *, max_columns: int) -> CsvLayout:
    """The layout of a file that begins with `head`, whole lines of it. Raises InvalidFile."""
    if not head.strip():
        raise InvalidFile.at("the file is empty; send a header line and at least one row")
    delimiter, records = _sniff(head, DELIMITERS if wanted.delimiter is None else (wanted.delimiter,))
    if not (_names_columns(records[0]) if wanted.header is None else wanted.header):
        names = tuple(f"column_{position}" for position in range(1, len(records[0]) + 1))
        check_names(names, max_columns=max_columns)
        return CsvLayout(delimiter, names, header=False)
    names = tuple(name.strip() for name in records[0])
    if not any(names):
        raise _refused_header("line 1 is empty; it must name the columns", "")
    check_names(names, max_columns=max_columns)
    return CsvLayout(delimiter, names, header=True)


def _names_columns(first: list[str]) -> bool:
    """Whether the first record looks like a header: not all numbers, or years, or the columns' own numbers."""
    try:
        numbers = [float(cell.replace(",", ".")) for cell in first]
    except ValueError:
        return True
    counted = [number - numbers[0] for number in numbers] == list(range(len(numbers)))
    return all(number in _YEARS for number in numbers) or (numbers[0] in (0, 1) and counted)


def _sniff(head: str, delimiters: Sequence[Delimiter]) -> tuple[Delimiter, list[list[str]]]:
    """The delimiter under which most of the first records have as many cells as the header, at least two."""
    tried = {delimiter: _records(head, delimiter) for delimiter in delimiters}
    best = max(delimiters, key=lambda delimiter: _fit(tried[delimiter]))
    if not tried[best]:
        raise InvalidFile.at("line 1 cannot be read as a header: its lines end in CR alone; save with LF or CRLF")
    return best, tried[best]


def _records(head: str, delimiter: str) -> list[list[str]]:
    found: list[list[str]] = []
    try:
        found.extend(islice(csv.reader(io.StringIO(head, newline="\n"), delimiter=delimiter), SNIFFED_RECORDS))
    except csv.Error:
        return found  # what was read until there; the scan of the whole file names the fault and its line
    return found


def _fit(records: list[list[str]]) -> tuple[bool, float, int]:
    if not records:
        return False, 0.0, 0
    n_cells = len(records[0])
    agreeing = sum(len(record) == n_cells for record in records) / len(records)
    return n_cells > 1, agreeing, n_cells


def check_names(names: tuple[str, ...], *, max_columns: int) -> None:
    """Raises InvalidFile where there are no or too many columns, or a name is empty, repeated or too long."""
    if not names:
        raise InvalidFile.at("the file has no columns")
    if len(names) > max_columns:
        raise InvalidFile.at(f"{len(names)} columns are over the limit of {max_columns}; send fewer", len(names))
    for position, name in enumerate(names, start=1):
        _check_name(position, name)
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise _refused_header(f"{count} columns are named {name!r}; give each its own name", name)


def _check_name(position: int, name: str) -> None:
    if not name.strip():
        raise _refused_header(f"column {position} has no name; name it in the header or leave it out", name)
    if len(name) > MAX_NAME_CHARS:
        raise _refused_header(f"the name of column {position} has over {MAX_NAME_CHARS} characters", name)
    if "\x00" in name:
        raise _refused_header(f"the name of column {position} has a NUL character", name)


def _refused_header(message: str, value: Any) -> InvalidFile:
    return InvalidFile.at(message, value, line=1)
