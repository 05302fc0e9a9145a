"""Rows as users send them, made into the matrix that a model scores. Pure: no framework, no clock, no I/O."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pynomaly_contracts.problems import FieldProblem

FloatMatrix = NDArray[np.float64]
Row = dict[str, Any] | list[Any]
MAX_PROBLEMS = 50
_MAX_SHOWN_NAMES = 20


class RowsRefused(ValueError):
    """Rows that do not fit the model. problems: one per wrong feature, at most 50."""

    def __init__(self, problems: list[FieldProblem]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems[:5]))
        self.problems = problems


class FeatureOrder:
    """The declared features of a model, prepared for reading rows fast."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._known = frozenset(names)
        self._pick: Callable[[dict[str, float]], Iterable[float]] = (
            itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
        )

    def matrix(self, rows: Sequence[Row], *, finite: bool, single: bool = False) -> FloatMatrix:
        """The rows as float64 (n_rows, n_features), C-contiguous, columns in the declared order.

        finite: every value is known to be a finite float; else each is checked. single: the rows are one that was
        not sent in a list, for the names in problems. Raises RowsRefused, naming every wrong feature.
        """
        if not finite:
            self._check(rows, single=single)
        try:
            return self._read(rows)
        except (KeyError, ValueError):
            self._check(rows, single=single)
            raise

    def _check(self, rows: Sequence[Row], *, single: bool) -> None:
        problems = list(islice(self._problems(rows, single=single), MAX_PROBLEMS))
        if problems:
            raise RowsRefused(problems)

    def _read(self, rows: Sequence[Row]) -> FloatMatrix:
        """Raises KeyError or ValueError where a row does not have exactly the features."""
        if any(len(row) != len(self.names) for row in rows):
            raise ValueError("a row has another number of features")
        values = chain.from_iterable(row if type(row) is list else self._pick(row) for row in rows)  # type: ignore[arg-type] # narrowed
        flat = np.fromiter(values, np.float64, count=len(rows) * len(self.names))
        return flat.reshape(len(rows), len(self.names))

    def _problems(self, rows: Sequence[Row], *, single: bool) -> Iterator[FieldProblem]:
        for index, row in enumerate(rows):
            place = "body.data" if single else f"body.data.{index}"
            if isinstance(row, dict):
                yield from self._object_problems(row, place)
            elif isinstance(row, list):
                yield from self._array_problems(row, place)
            else:
                yield FieldProblem(field=place, message="a row is an object of named features or an array", value=row)

    def _object_problems(self, row: dict[str, Any], place: str) -> Iterator[FieldProblem]:
        for name in self.names:
            if name not in row:
                yield FieldProblem(field=f"{place}.{name}", message="this feature is missing")
        for name, value in row.items():
            if name not in self._known:
                message = f"unknown feature; the model has {self._shown_names()}"
                yield FieldProblem(field=f"{place}.{name[:128]}", message=message, value=value)
            elif not is_finite_number(value):
                yield _not_a_number(f"{place}.{name}", value)

    def _array_problems(self, row: list[Any], place: str) -> Iterator[FieldProblem]:
        if len(row) != len(self.names):
            message = f"{len(self.names)} numbers are expected, in the order {self._shown_names()}; got {len(row)}"
            yield FieldProblem(field=place, message=message)
            return
        for index, value in enumerate(row):
            if not is_finite_number(value):
                yield _not_a_number(f"{place}.{index}", value)

    def _shown_names(self) -> str:
        more = len(self.names) - _MAX_SHOWN_NAMES
        return ", ".join(self.names[:_MAX_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def is_finite_number(value: object) -> bool:
    """Whether a parsed JSON value is a number that float64 can hold; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer over 1.8e308
        return False


def _not_a_number(field: str, value: object) -> FieldProblem:
    message = "a value is missing; this model takes none" if value is None else "not a finite number"
    return FieldProblem(field=field, message=message, value=value if not isinstance(value, dict | list) else None)
