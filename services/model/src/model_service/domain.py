"""Rows as users send them, made into what a model scores. Pure: no framework, no clock, no I/O."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pynomaly_scoring import InputColumn, RowRules, Rows

from model_service.cells import ABSENT, CellReader, Values
from model_service.refusals import MAX_PROBLEMS, Sent, Wrong, shown

FloatMatrix = NDArray[np.float64]
Row = dict[str, Any] | list[Any]
_PLAIN = frozenset({"number", "integer"})


class Columns:
    """The declared columns of a model, prepared for reading rows fast.

    What it gives holds the model's rules; whatever does not raises RowsRefused, which names every wrong value by its
    row, from 0, and column. `place` begins those names.
    """

    def __init__(self, inputs: Sequence[InputColumn]) -> None:
        self.inputs = tuple(inputs)
        self.names = tuple(column.name for column in inputs)
        self._index = {name: index for index, name in enumerate(self.names)}
        self._rules, self._readers = RowRules(inputs), [CellReader(column) for column in inputs]
        self._n_text = sum(column.is_text for column in inputs)
        self._all_numbers = all(column.type in _PLAIN and not column.accepts_missing for column in inputs)
        self._pick: Callable[[dict[str, Any]], Iterable[Any]] = (
            itemgetter(*self.names) if len(inputs) > 1 else lambda row: (row[self.names[0]],)
        )

    def of_rows(self, rows: Sequence[Any], *, floats: bool = False, place: str = "rows", single: bool = False) -> Rows:
        """Rows that are objects of named values or arrays in the declared order, mixed as they come.

        Values are as JSON has them: numbers, true and false, strings, dates in ISO 8601, null.
        floats: every row is known to be a dict or list, and every value a finite float. single: the rows are one
        that was not sent in a list, for the names in problems.
        """
        try:
            if floats and self._all_numbers:
                return Rows(self._read_floats(rows))
            columns = self._transposed(rows)
        except (KeyError, TypeError, ValueError):
            Sent(place, rows, single).refuse(self._wrong_rows(rows))
            raise
        return self._read(columns, Sent(place, rows, single))

    def of_columns(
        self, columns: Mapping[str, Values] | Sequence[Values], *, place: str = "rows", first_row: int = 0
    ) -> Rows:
        """Whole columns by name, in any order, or in the declared one.

        Each is a list as in `of_rows` or an array (n_rows,) or (n_rows, 1): of numbers; bool for boolean columns;
        datetime64, or seconds since 1970, for dates; str or bytes for strings, or objects of any of these.
        first_row: the number of the first in problems.
        """
        sent = Sent(place, first_row=first_row)
        if not isinstance(columns, Mapping):
            if len(columns) != len(self.names):
                sent.refuse([Wrong(-1, -1, "", None, self._miscounted("columns", len(columns)))])
            columns = dict(zip(self.names, columns, strict=True))
        sent.refuse(self._wrong_columns(columns))
        return self._read([columns[name] for name in self.names], sent)

    def of_matrix(self, matrix: NDArray[Any], *, place: str = "rows") -> Rows:
        """An array (n_rows, n_columns) in the declared order; float64, C-contiguous, is not copied."""
        if matrix.ndim != 2 or matrix.shape[1] != len(self.names):
            message = f"the shape must be [n_rows, {len(self.names)}], not {list(matrix.shape)}; {self._order()}"
            Sent(place).refuse([Wrong(-1, -1, "", None, message)])
        if self._n_text or matrix.dtype.kind not in "fiu":
            return self.of_columns(list(matrix.T), place=place)
        return self._checked(Rows(np.ascontiguousarray(matrix, np.float64)), Sent(place))

    def _read_floats(self, rows: Sequence[Row]) -> FloatMatrix:
        """Raises KeyError or ValueError where a row does not have exactly the columns."""
        self._check_lengths(rows)
        values = chain.from_iterable(row if type(row) is list else self._pick(row) for row in rows)  # type: ignore[arg-type] # narrowed
        flat = np.fromiter(values, np.float64, count=len(rows) * len(self.names))
        return flat.reshape(len(rows), len(self.names))

    def _transposed(self, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
        self._check_lengths(rows)
        return list(zip(*(row if isinstance(row, list) else self._pick(row) for row in rows), strict=True))

    def _check_lengths(self, rows: Sequence[Row]) -> None:
        if any(len(row) != len(self.names) for row in rows):
            raise ValueError("a row has another number of features")

    def _read(self, columns: Sequence[Values], sent: Sent) -> Rows:
        n_rows = len(columns[0])
        numeric = np.empty((n_rows, len(self.names) - self._n_text))
        text = np.empty((n_rows, self._n_text), np.object_)
        next_numeric, next_text = iter(numeric.T), iter(text.T)
        wrong: list[Wrong] = []
        for index, (reader, values) in enumerate(zip(self._readers, columns, strict=True)):
            read, found = reader.read(values)
            wrong += (self._wrong(index, *item) for item in found[:MAX_PROBLEMS])
            column = next(next_text if reader.column.is_text else next_numeric)
            if not found:
                column[:] = read
        sent.refuse(wrong)
        return self._checked(Rows(numeric, text if self._n_text else None), sent)

    def _checked(self, rows: Rows, sent: Sent) -> Rows:
        if not self._rules.hold(rows):
            found = (self._wrong(self._index[fault.column], fault[0], *fault[2:]) for fault in self._rules.faults(rows))
            sent.refuse(found)
        return rows

    def _wrong(self, column: int, row: int | None, value: Any, message: str) -> Wrong:
        return Wrong(-1 if row is None else row, column, self.names[column], value, message)

    def _wrong_rows(self, rows: Sequence[Any]) -> Iterator[Wrong]:
        """What is wrong with the shapes of the rows, and with the values of those whose shape is right."""
        readable = []
        for index, row in enumerate(rows):
            message = self._misshapen(row)
            if message is None:
                readable.append(index)
            else:
                yield Wrong(index, -1, "", row, message)
        for column, reader in enumerate(self._readers):
            _, found = reader.read([self._cell(rows[index], column) for index in readable])
            for item in found[:MAX_PROBLEMS]:
                yield self._wrong(column, readable[item.row or 0], *item[1:])
        yield from islice(self._unknown(rows, readable), MAX_PROBLEMS)

    def _misshapen(self, row: Any) -> str | None:
        if isinstance(row, dict):
            return None
        if not isinstance(row, list):
            return "a row is an object of named features or an array"
        return None if len(row) == len(self.names) else self._miscounted("values", len(row))

    def _cell(self, row: Row, column: int) -> Any:
        return row[column] if isinstance(row, list) else row.get(self.names[column], ABSENT)

    def _unknown(self, rows: Sequence[Row], readable: list[int]) -> Iterator[Wrong]:
        for index in readable:
            row = rows[index]
            for name, value in row.items() if isinstance(row, dict) else ():
                if name not in self._index:
                    yield Wrong(index, len(self.names), name, value, self._unknown_name())

    def _wrong_columns(self, columns: Mapping[str, Values]) -> Iterator[Wrong]:
        for index, name in enumerate(self.names):
            if name not in columns:
                yield Wrong(-1, index, name, None, "this feature is missing")
        n_rows = len(next(iter(columns.values()), ()))
        for name, values in columns.items():
            if name not in self._index:
                yield Wrong(-1, len(self.names), name, None, self._unknown_name())
            elif len(values) != n_rows:
                yield Wrong(
                    -1, self._index[name], name, None, f"{len(values)} values, where another column has {n_rows}"
                )

    def _unknown_name(self) -> str:
        return f"unknown feature; the model has {shown(self.names)}"

    def _miscounted(self, what: str, n_given: int) -> str:
        return f"{len(self.names)} {what} are expected, {self._order()}; got {n_given}"

    def _order(self) -> str:
        return f"in the order {shown(self.names)}"
