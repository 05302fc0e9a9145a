"""NDJSON and JSON arrays of objects: their columns and types, found over the whole file."""

import json
from collections import Counter
from collections.abc import Iterator
from math import isinf
from pathlib import Path
from typing import Any

import msgspec
import orjson
import polars as pl
from pynomaly_chassis.problems import BodyTooLarge

from dataset_service.errors import InvalidFile

MAX_ARRAY_BYTES = 256 * 1024 * 1024
MAX_LINE_BYTES = 16 * 1024 * 1024
_INT64 = range(-(2**63), 2**63)
_WORDS = {int: "whole numbers", float: "numbers", bool: "booleans", str: "text"}
_TYPES: dict[frozenset[type], pl.DataType] = {
    frozenset({int}): pl.Int64(),
    frozenset({float}): pl.Float64(),
    frozenset({int, float}): pl.Float64(),
    frozenset({bool}): pl.Boolean(),
    frozenset({str}): pl.String(),
    frozenset(): pl.String(),  # nothing but null
}


def write_lines(source: Path, target: Path) -> None:
    """A JSON array of objects, held in memory, as NDJSON. Raises InvalidFile, BodyTooLarge over 256 MiB."""
    if source.stat().st_size > MAX_ARRAY_BYTES:
        raise BodyTooLarge(f"a JSON array may have {MAX_ARRAY_BYTES} bytes; send NDJSON, an object per line")
    try:
        rows = msgspec.json.decode(source.read_bytes(), type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidFile.at(f"the file is not a JSON array of objects: {error}") from error
    with target.open("wb") as lines:
        for row in rows:
            lines.write(msgspec.json.format(bytes(row), indent=-1) + b"\n")


def scan_lines(path: Path, *, max_columns: int) -> tuple[pl.LazyFrame, int]:
    """The rows of an NDJSON file, in order, and their number. A column that a row lacks is missing there.

    Raises InvalidFile naming the line and the column, or where there are over max_columns.
    """
    columns: dict[str, _Column] = {}
    n_rows = 0
    for line, row in _objects(path):
        n_rows += 1
        for name, value in row.items():
            column = columns.get(name)
            if column is None:
                column = columns[name] = _Column(name)
                _check_number(len(columns), max_columns, line)
            if type(value) not in column.seen:
                column.see(value, line)
            if type(value) is int and value not in _INT64:
                column.seen[float] = column.seen.pop(int, line)
    if n_rows == 0:
        raise InvalidFile.at("the file has no rows; send at least one", line=1)
    schema = {name: column.stored() for name, column in columns.items()}
    return pl.scan_ndjson(path, schema=schema) if schema else pl.LazyFrame(), n_rows


def _check_number(n_columns: int, max_columns: int, line: int) -> None:
    """At once: a file may have a new column in every row, more than memory holds."""
    if n_columns > max_columns:
        raise InvalidFile.at(f"by line {line}, {n_columns} columns are over the limit of {max_columns}", line=line)


class _Column:
    """What a column's values are: each type with the first line that has it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: dict[type, int] = {}

    def see(self, value: Any, line: int) -> None:
        """A type that the column had not. Raises InvalidFile on an object or a list."""
        if isinstance(value, dict | list):
            what = "an object" if isinstance(value, dict) else "a list"
            message = f"line {line}, column {self.name!r} holds {what}; a cell is a number, text, boolean or null"
            raise InvalidFile.at(message, line=line, column=self.name)
        self.seen[type(value)] = line

    def stored(self) -> pl.DataType:
        """Raises InvalidFile where values of two kinds are mixed."""
        kinds = {kind: line for kind, line in self.seen.items() if kind is not type(None)}
        stored = _TYPES.get(frozenset(kinds))
        if stored is None:
            mixture = ", ".join(f"{_WORDS[kind]} (line {line})" for kind, line in kinds.items())
            raise InvalidFile.at(f"column {self.name!r} mixes {mixture}; make it one of them", column=self.name)
        return stored


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        number = 0
        while text := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(text) > MAX_LINE_BYTES:
                raise InvalidFile.at(f"line {number} is over {MAX_LINE_BYTES} bytes", line=number)
            if text.isspace():
                _check_end(file.read(MAX_LINE_BYTES), number)
                return
            yield number, _object(text, number)


def _check_end(rest: bytes, line: int) -> None:
    """Blank lines may end a file and be nowhere else."""
    if rest.strip():
        raise InvalidFile.at(f"line {line} is blank; remove it", "", line=line)


def _object(text: bytes, line: int) -> dict[str, Any]:
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        row = _strictly(text, line, str(error))
    if not isinstance(row, dict):
        raise InvalidFile.at(f"line {line} is no object; send one object per line", line=line)
    if text.count(b'":') != len(row):  # a key twice, or a text that looks like one
        _strictly(text, line, "")
    return row


def _strictly(text: bytes, line: int, complaint: str) -> Any:
    """Read again with what orjson cannot do: numbers over 64 bits, and a key that is there twice."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) < len(pairs):
            twice = next(name for name, n_times in Counter(name for name, _ in pairs).items() if n_times > 1)
            raise InvalidFile.at(f"line {line} has {twice!r} twice; name each column once", line=line, column=twice)
        return row

    try:
        row = json.loads(text, object_pairs_hook=unique, parse_constant=_refuse, parse_int=_whole, parse_float=_finite)
        orjson.dumps(row)  # half a pair of surrogates is no text
    except (ValueError, TypeError, RecursionError) as error:
        message = f"line {line} is not JSON: {complaint or error}"
        raise InvalidFile.at(message, text[:80].decode("utf-8", "replace"), line=line) from error
    return row


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) < 20 else _finite(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if isinf(number):
        raise ValueError(f"{digits[:20]}... is beyond the largest number, 1.8e308")
    return number


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is no JSON number; write null where a value is missing")
