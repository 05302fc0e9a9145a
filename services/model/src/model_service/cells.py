"""The values of one column, as JSON, arrays and data frames carry them, made into what a graph takes. Pure."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pynomaly_scoring import InputColumn
from pynomaly_scoring.rows import MISSING

ABSENT: Any = object()
"""Stands where a row does not have the column at all."""
Values = Sequence[Any] | NDArray[Any]
_NUMBERS, _NONE = frozenset({float, int}), frozenset({type(None)})
_AT_ONCE: dict[str, frozenset[type]] = {
    **dict.fromkeys(("number", "integer"), _NUMBERS),
    "boolean": frozenset({bool}),
    "string": frozenset({str}),
}
_NUMBER_KINDS = "fiu"
_DAY_S = 86_400
_NO_DATE = "not a date; send it as ISO 8601, such as 2026-01-31"
_SHOWN_TEXT = 256  # characters, of which a problem shows fewer
_SECOND = np.timedelta64(1, "s")


class WrongValue(NamedTuple):
    """row: from 0; None: the whole column."""

    row: int | None
    value: Any
    message: str


class CellReader:
    """Reads one column: float64 with NaN where a value is missing, or str objects with "" there."""

    def __init__(self, column: InputColumn) -> None:
        self.column = column
        self._read_one = _READ_ONE[column.type]
        at_once = _AT_ONCE.get(column.type, frozenset())
        # A longer text is no category, also cut. The graph copies what many rows say, row by row.
        self._max_text = 1 + max((_SHOWN_TEXT, *map(len, column.categories)))
        self._at_once = at_once | _NONE if at_once and column.accepts_missing and not column.is_text else at_once

    def read(self, values: Values) -> tuple[NDArray[Any], list[WrongValue]]:
        """The column, (n_rows,), and what is wrong with it; where something is, the array is not to be used."""
        if not isinstance(values, np.ndarray):
            return self._read_list(values)
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.ndim != 1:
            message = f"one value per row is expected, not the shape {list(values.shape)}"
            return self._array([]), [WrongValue(None, None, message)]
        return self._read_array(values)

    def _read_array(self, values: NDArray[Any]) -> tuple[NDArray[Any], list[WrongValue]]:
        kind = values.dtype.kind
        if kind in "OUS":
            return self._read_list(values.tolist())
        if kind in _NUMBER_KINDS and not self.column.is_text:
            return values.astype(np.float64, copy=False), []
        if kind == "b" and self.column.type == "boolean":
            return values.astype(np.float64), []
        if kind == "M" and self.column.type in {"date", "datetime"}:
            seconds = _seconds(values)
            return seconds, _with_a_time(seconds) if self.column.type == "date" else []
        message = f"{self._wanted()} are expected, not {values.dtype}"
        return self._array([]), [WrongValue(None, None, message)]

    def _read_list(self, values: Sequence[Any]) -> tuple[NDArray[Any], list[WrongValue]]:
        whole = self._read_at_once(values) if self._at_once.issuperset(map(type, values)) else None
        return self._read_each(values) if whole is None else (whole, [])

    def _read_at_once(self, values: Sequence[Any]) -> NDArray[Any] | None:
        """None where a value is wrong."""
        try:
            whole = self._array(values)
            if self.column.is_text:
                return whole if all(map(_holds_text, set(values))) else None
        except (OverflowError, UnicodeError):  # an integer over 1.8e308; half a surrogate pair
            return None
        wrong = np.isinf(whole) if self.column.accepts_missing else ~np.isfinite(whole)
        return None if wrong.any() else whole

    def _read_each(self, values: Sequence[Any]) -> tuple[NDArray[Any], list[WrongValue]]:
        read, wrong = [], []
        nothing: float | str = "" if self.column.is_text else math.nan
        for row, value in enumerate(values):
            try:
                read.append(self._one(value, nothing))
            except ValueError as error:
                wrong.append(WrongValue(row, None if value is ABSENT else value, str(error)))
                read.append(nothing)
        return self._array(read), wrong

    def _one(self, value: Any, nothing: float | str) -> float | str:
        """Raises ValueError with what is wrong."""
        if value is ABSENT:
            raise ValueError("this feature is missing")
        if isinstance(value, np.generic):
            value = value.item()
        is_nan = isinstance(value, float) and math.isnan(value) and self.column.accepts_missing
        if value is not None and not is_nan:
            return self._read_one(value)
        if not self.column.accepts_missing:
            raise ValueError(MISSING)
        return nothing

    def _array(self, values: Sequence[Any]) -> NDArray[Any]:
        if not self.column.is_text:
            return np.array(values, np.float64)
        texts = np.empty(len(values), np.object_)
        texts[:] = [text[: self._max_text] for text in values]
        return texts

    def _wanted(self) -> str:
        return "numbers" if self.column.type in {"number", "integer"} else f"{self.column.type}s"


def _number(value: Any) -> float:
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
    except OverflowError as error:  # an integer over 1.8e308
        raise ValueError("not a finite number") from error
    raise ValueError("not a finite number")


def _boolean(value: Any) -> float:
    if value not in (0, 1):  # True and False are these, too
        raise ValueError("neither true nor false")
    return float(value)


def _date(value: Any) -> float:
    moment = _moment(value)
    if moment is None or moment.timestamp() % _DAY_S:
        raise ValueError(_NO_DATE)
    return moment.timestamp()


def _datetime(value: Any) -> float:
    moment = _moment(value)
    if moment is None:
        raise ValueError("not a date with a time; send it as ISO 8601, such as 2026-01-31T12:00:00Z")
    return moment.timestamp()


def _moment(value: Any) -> datetime | None:
    """Without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if isinstance(found, datetime):
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return datetime(found.year, found.month, found.day, tzinfo=UTC) if isinstance(found, date) else None


def _text(value: Any) -> str:
    """An empty one is a missing value: whether it may be is for the rules to say."""
    try:
        text = value.decode() if isinstance(value, bytes) else value
        if isinstance(text, str) and _holds_text(text):
            return text
    except UnicodeError as error:
        raise ValueError("not a text: it is no UTF-8") from error
    raise ValueError("not a text")


def _holds_text(text: str) -> bool:
    """Whether a graph takes it. Raises UnicodeError where it is none: half a surrogate pair."""
    return text.isascii() or len(text.encode()) > len(text)


_READ_ONE: dict[str, Callable[[Any], float | str]] = {
    "number": _number,
    "integer": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "string": _text,
}


def _with_a_time(seconds: NDArray[np.float64]) -> list[WrongValue]:
    """Midnights elsewhere are these, too: in UTC their day is another."""
    rows = np.flatnonzero(np.nan_to_num(seconds) % _DAY_S)
    return [WrongValue(row, float(seconds[row]), f"has a time of day in UTC: {_NO_DATE}") for row in rows.tolist()]


def _seconds(moments: NDArray[Any]) -> NDArray[np.float64]:
    """datetime64 of any unit as seconds since 1970, NaN for NaT."""
    whole = moments.astype("datetime64[s]")
    seconds: NDArray[np.float64] = whole.astype(np.int64) + (moments - whole) / _SECOND
    return np.where(np.isnat(moments), np.nan, seconds)
