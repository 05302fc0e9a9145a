"""The structure of a whole CSV file, checked before Polars reads it.

Polars fills short records with missing values and reads stray quotes in its own way; nothing that this scan lets
through is ambiguous, and what it refuses it names by line.
"""

import codecs
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from dataset_service.csv_layout import CsvLayout, read_layout
from dataset_service.csv_records import CR, LF, Records, check_quotes, inside_quotes, read_records
from dataset_service.errors import InvalidFile
from dataset_service.reading import ReadingWanted

Positions = NDArray[np.intp]
Counts = NDArray[np.int64]


def check_csv(path: Path, wanted: ReadingWanted, *, max_columns: int) -> tuple[CsvLayout, int]:
    """Layout and number of rows, from the whole file; cuts off the blank lines at its end. Raises InvalidFile."""
    with path.open("rb") as file:
        first = file.read(4)
        start = len(codecs.BOM_UTF8) if first.startswith(codecs.BOM_UTF8) else 0
        file.seek(start)
        scan = _scan(file, start, wanted, max_columns)
    if scan.blank_offset is not None:
        os.truncate(path, scan.blank_offset)
    return scan.layout, scan.n_records - scan.layout.header


def _scan(file: BinaryIO, start: int, wanted: ReadingWanted, max_columns: int) -> "_Scan":
    chunks = read_records(file, start)
    head = next(chunks, Records(b"", 1, start))
    head.check_text()
    layout = read_layout(head.content.decode(), wanted, max_columns=max_columns)
    scan = _Scan(layout)
    scan.feed(head)
    for chunk in chunks:
        chunk.check_text()
        scan.feed(chunk)
    if scan.n_records - layout.header < 1:
        raise InvalidFile.at("the file has a header and no rows; send at least one row", line=1)
    return scan


class _Scan:
    """Counts the cells of each record."""

    def __init__(self, layout: CsvLayout) -> None:
        self.layout = layout
        self.n_records = 0
        self.blank_offset: int | None = None  # where the blank lines begin that end the file
        self._blank_line = 0

    def feed(self, records: Records) -> None:
        """Raises InvalidFile at the first record that has not the header's number of cells."""
        content = np.frombuffer(records.content, np.uint8)
        separator = ord(self.layout.delimiter)
        check_quotes(records, separator)
        ends, separators = content == LF, content == separator
        inside = inside_quotes(records.content)
        if inside is not None:
            ends &= ~inside
            separators &= ~inside
        stops = np.flatnonzero(ends)
        if self.blank_offset is None and self._is_regular(content, np.flatnonzero(ends | separators), stops.size):
            self.n_records += stops.size
            return
        starts = np.concatenate(([0], stops[:-1] + 1))
        n_cells = np.add.reduceat(separators, starts, dtype=np.int64) + 1
        self._check(records, starts, stops, n_cells)

    def _is_regular(self, content: NDArray[np.uint8], marks: Positions, n_records: int) -> bool:
        """Whether every record has as many cells as the header: its end is the last of so many marks."""
        n_cells = len(self.layout.names)
        return marks.size == n_cells * n_records and bool((content[marks[n_cells - 1 :: n_cells]] == LF).all())

    def _check(self, records: Records, starts: Positions, stops: Positions, n_cells: Counts) -> None:
        wrong = np.flatnonzero(n_cells != len(self.layout.names))
        if self.blank_offset is not None:
            wrong = np.arange(len(starts))  # only blank lines may follow blank lines
        n_good = int(wrong[0]) if wrong.size else len(starts)
        self.n_records += n_good
        if not wrong.size:
            return
        for start, stop in zip(starts[n_good:], stops[n_good:], strict=True):
            if stop - start > 1 or (stop > start and records.content[start] != CR):
                raise self._ragged(records, int(starts[n_good]), int(stops[n_good]), int(n_cells[n_good]))
        if self.blank_offset is None:
            first = int(starts[n_good])
            self.blank_offset, self._blank_line = records.offset + first, records.line_at(first)

    def _ragged(self, records: Records, start: int, stop: int, n_cells: int) -> InvalidFile:
        if self.blank_offset is not None:
            return InvalidFile.at(f"line {self._blank_line} is blank; remove it", "", line=self._blank_line)
        line, text = records.line_at(start), records.content[start:stop].decode().rstrip("\r")
        if not text:
            return InvalidFile.at(f"line {line} is blank; remove it", "", line=line)
        n_columns = len(self.layout.names)
        message = f"line {line} has {n_cells} cells, the header names {n_columns} columns; give it {n_columns} cells"
        return InvalidFile.at(message, text, line=line)
