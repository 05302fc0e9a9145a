"""Rows as CSV: a header of column names, then one line per row, as data frames write them."""

import csv
import io
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pynomaly_chassis.problems import Invalid, MalformedBody
from pynomaly_scoring import Rows

from model_service.domain import Columns
from model_service.invocations import Asked, Given

PLACE = "csv"
_MISSING = frozenset({"", "NA", "N/A", "NaN", "nan", "null", "None", "<NA>", "NaT"})
_BOOLEANS = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


def read_csv(body: bytes, max_rows: int, *, asked: Asked) -> Given:
    """The rows of a request in CSV, UTF-8. Raises MalformedBody, Invalid."""
    try:
        reader = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        names = next(filter(None, reader), [])
        rows = list(islice(filter(None, reader), max_rows + 1))
    except UnicodeDecodeError as error:
        raise MalformedBody("the body is not UTF-8") from error
    except csv.Error as error:
        raise MalformedBody(f"the body is not CSV: {error}") from error
    _check_shape(names, rows)
    return Given(asked, len(rows), lambda columns: _rows_of(names, rows, columns))


def _check_shape(names: list[str], rows: list[list[str]]) -> None:
    if len(set(names)) != len(names) or not names:
        raise Invalid.field(PLACE, None, "the first line must name the columns, each once")
    for row, texts in enumerate(rows):
        if len(texts) != len(names):
            raise Invalid.field(f"{PLACE}.{row}", None, f"{len(texts)} values; the first line names {len(names)}")


def _rows_of(names: list[str], rows: list[list[str]], columns: Columns) -> Rows:
    """Raises RowsRefused. A column without a name is a data frame's index, which is no feature."""
    kinds = {column.name: _READ[column.type] for column in columns.inputs}
    texts = {name: values for name, values in zip(names, zip(*rows, strict=True), strict=True) if name}
    return columns.of_columns({name: kinds.get(name, list)(values) for name, values in texts.items()}, place=PLACE)


def _numbers(texts: Sequence[str]) -> NDArray[np.float64] | list[Any]:
    try:
        if "_" not in "".join(texts):  # Python reads 1_000 as a number, and nobody else does
            return np.fromiter(map(float, texts), np.float64, len(texts))  # an array of texts has room for the longest
    except ValueError:
        pass
    return [_number(text) for text in texts]


def _number(text: str) -> float | str | None:
    """The text where it is none: whoever reads the column says so."""
    if text.strip() in _MISSING:
        return None
    try:
        return text if "_" in text else float(text)
    except ValueError:
        return text


def _booleans(texts: Sequence[str]) -> list[Any]:
    return [None if text.strip() in _MISSING else _BOOLEANS.get(text.strip().lower(), text) for text in texts]


def _dates(texts: Sequence[str]) -> list[str | None]:
    return [None if text.strip() in _MISSING else text for text in texts]


_READ: dict[str, Callable[[Sequence[str]], Any]] = {
    "number": _numbers,
    "integer": _numbers,
    "boolean": _booleans,
    "date": _dates,
    "datetime": _dates,
    "string": list,
}
