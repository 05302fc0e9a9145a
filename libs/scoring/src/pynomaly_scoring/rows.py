"""Rows on their way into the graph, and the rules that a model's manifest sets for them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pynomaly_scoring.columns import InputColumn

FloatMatrix = NDArray[np.float64]
TextMatrix = NDArray[np.object_]
MISSING = "a value is missing; this model takes none: train with preprocessing.missing, or send one"
UNKNOWN = (
    "is a category that the training data did not have: train with preprocessing.unknown other, or send one it had"
)


class Rows(NamedTuple):
    """numeric: float64, C-contiguous, (n_rows, n_numeric), NaN = missing.

    text: str objects, (n_rows, n_text), "" = missing; None where the model has no text columns.
    """

    numeric: FloatMatrix
    text: TextMatrix | None = None

    @property
    def n_rows(self) -> int:
        """How many."""
        return len(self.numeric)

    def part(self, start: int, stop: int) -> "Rows":
        """The rows from `start` up to `stop`."""
        return Rows(self.numeric[start:stop], None if self.text is None else self.text[start:stop])


class Fault(NamedTuple):
    """A value that the model does not take. row: from 0. value: None where it is missing."""

    row: int
    column: str
    value: float | str | None
    message: str


class RowRules:
    """What a model's columns may hold, prepared for checking whole matrices."""

    def __init__(self, columns: Sequence[InputColumn]) -> None:
        self._numeric = [column for column in columns if not column.is_text]
        self._text = [column for column in columns if column.is_text]
        self._known = [frozenset(column.categories) for column in self._text]
        self._accepts_missing = np.array([column.accepts_missing for column in self._numeric], np.bool_)
        self._booleans = [index for index, column in enumerate(self._numeric) if column.type == "boolean"]

    def hold(self, rows: Rows) -> bool:
        """Whether the model takes every value."""
        return self._numbers_hold(rows.numeric) and (
            rows.text is None or next(self._text_faults(rows.text), None) is None
        )

    def _numbers_hold(self, numeric: FloatMatrix) -> bool:
        finite = np.isfinite(numeric)
        if not finite.all() and not (finite | (np.isnan(numeric) & self._accepts_missing)).all():
            return False
        if not self._booleans:
            return True
        flags = numeric[:, self._booleans]
        return bool(((flags == 0) | (flags == 1) | np.isnan(flags)).all())

    def faults(self, rows: Rows) -> Iterator[Fault]:
        """Every value that the model does not take, column by column."""
        for index, column in enumerate(self._numeric):
            yield from _numeric_faults(column, rows.numeric[:, index])
        if rows.text is not None:
            yield from self._text_faults(rows.text)

    def _text_faults(self, text: TextMatrix) -> Iterator[Fault]:
        for index, (column, known) in enumerate(zip(self._text, self._known, strict=True)):
            yield from _text_faults(column, known, text[:, index])


def _numeric_faults(column: InputColumn, values: NDArray[np.float64]) -> Iterator[Fault]:
    missing = np.isnan(values)
    if not column.accepts_missing:
        for row in np.flatnonzero(missing).tolist():
            yield Fault(row, column.name, None, MISSING)
    wrong = np.isinf(values)
    if column.type == "boolean":
        wrong |= ~missing & (values != 0) & (values != 1)
    for row in np.flatnonzero(wrong).tolist():
        value = float(values[row])
        message = "is not a finite number" if np.isinf(value) else "is neither true nor false"
        yield Fault(row, column.name, value, message)


def _text_faults(column: InputColumn, known: frozenset[str], values: TextMatrix) -> Iterator[Fault]:
    for row, value in enumerate(values.tolist()):
        if value == "":
            if not column.accepts_missing:
                yield Fault(row, column.name, None, MISSING)
        elif value not in known and not column.accepts_unknown:
            yield Fault(row, column.name, value, UNKNOWN)
