"""A CSV file and its scores, side by side: each record's own bytes, untouched, with three values after them."""

import csv
import heapq
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pynomaly.errors import PynomalyError

DELIMITERS = (",", ";", "\t", "|")
BOM = b"\xef\xbb\xbf"
JSON_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


@dataclass(frozen=True)
class Score:
    """Of one row."""

    raw_score: float
    prediction: float
    is_anomaly: bool

    @property
    def cells(self) -> tuple[str, str, str]:
        """As CSV and JSON both write them: every digit."""
        return repr(self.raw_score), repr(self.prediction), "true" if self.is_anomaly else "false"


@dataclass(frozen=True)
class TopRow:
    """One of the most anomalous rows. row: 1 is the first after the header. values: the file's own text."""

    row: int
    score: Score
    values: dict[str, str]


class CsvFile:
    """A file that the suite has accepted, so its quotes and its records are sound.

    names: its columns, as the suite read them; they tell the delimiter.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path, self.names = path, list(names)
        with path.open("rb") as stream:
            self.header = next(_records(stream), b"")
        self.delimiter = next(
            (each for each in DELIMITERS if [n.strip() for n in self._split(self.header, each)] == self.names), ","
        )

    def records(self) -> Iterator[bytes]:
        """Every record after the header, with its line ending."""
        with self.path.open("rb") as stream:
            records = _records(stream)
            next(records, None)
            yield from records

    def values(self, record: bytes) -> dict[str, str]:
        """The record's text, by column."""
        return dict(zip(self.names, self._split(record, self.delimiter), strict=True))

    @staticmethod
    def _split(record: bytes, delimiter: str) -> list[str]:
        text = record.removeprefix(BOM).decode()
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])


@dataclass(frozen=True)
class Layout:
    """How an output file looks: what comes first, and each row."""

    head: bytes
    row: Callable[[bytes, Score], bytes]


def as_csv(file: CsvFile, score_names: Sequence[str]) -> Layout:
    """The file's own delimiter, quotes and line endings."""

    def widened(record: bytes, cells: Sequence[str]) -> bytes:
        content = record.rstrip(b"\r\n")
        return content + "".join(file.delimiter + cell for cell in cells).encode() + record[len(content) :]

    return Layout(widened(file.header, score_names), lambda record, score: widened(record, score.cells))


def as_ndjson(file: CsvFile, score_names: Sequence[str]) -> Layout:
    """An object per row. What is a JSON number in the file stays that very text; an empty cell is null."""

    def line(record: bytes, score: Score) -> bytes:
        own = [(name, _token(text)) for name, text in file.values(record).items()]
        members = [*own, *zip(score_names, score.cells, strict=True)]
        return (
            "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}: {token}" for name, token in members) + "}\n"
        ).encode()

    return Layout(b"", line)


def scores_in(path: Path) -> Iterator[Score]:
    """The scores that were downloaded as CSV: raw_score, prediction, is_anomaly, under a header."""
    with path.open(newline="", encoding="utf-8") as stream:
        records = csv.reader(stream)
        next(records, None)
        for raw_score, prediction, is_anomaly in records:
            yield Score(float(raw_score), float(prediction), is_anomaly.lower() in {"true", "1"})


def merge(file: CsvFile, scores: Iterator[Score], n_top: int, into: BinaryIO | None, layout: Layout) -> list[TopRow]:
    """Write every record with its score, in the file's order, and return the `n_top` highest, highest first."""
    if into is not None:
        into.write(layout.head)
    top: list[tuple[float, int, bytes, Score]] = []
    for row, (record, score) in enumerate(_side_by_side(file, scores), start=1):
        if into is not None:
            into.write(layout.row(record, score))
        push = heapq.heappush if len(top) < n_top else heapq.heappushpop
        push(top, (score.raw_score, -row, record, score))
    return [TopRow(-place, score, file.values(record)) for _, place, record, score in sorted(top, reverse=True)]


def _side_by_side(file: CsvFile, scores: Iterator[Score]) -> Iterator[tuple[bytes, Score]]:
    row = 0
    for row, record in enumerate(file.records(), start=1):
        score = next(scores, None)
        if score is None:
            if record.strip():
                raise PynomalyError(f"{file.path} has more rows than the {row - 1} that were scored; did it change?")
            return
        yield record, score
    if next(scores, None) is not None:
        raise PynomalyError(f"{file.path} has {row} rows, fewer than were scored; did it change?")


def _token(text: str) -> str:
    if not text:
        return "null"
    return text if JSON_NUMBER.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _records(stream: BinaryIO) -> Iterator[bytes]:
    """Lines, joined where a quote is open: an odd number of quotes so far."""
    record = b""
    for line in stream:
        record += line
        if record.count(b'"') % 2 == 0:
            yield record
            record = b""
    if record:
        yield record
