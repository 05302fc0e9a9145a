"""Simple comparisons that choose rows: `age>=30`, `city=Oslo`, `city!=`."""

import operator
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
from pynomaly_chassis.problems import Invalid
from pynomaly_contracts.datasets import Column

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_COMPARISON = re.compile(r"(<=|>=|!=|=|<|>)")
_FIELD = "query.filter"
_TRUTH = {"true": True, "false": False, "1": True, "0": False}
_EXAMPLES = {
    "integer": "5",
    "number": "0.5",
    "boolean": "true",
    "date": "2024-01-31",
    "datetime": "2024-01-31T12:00:00Z",
}


def parse_filters(comparisons: Sequence[str], columns: Sequence[Column]) -> pl.Expr | None:
    """All of the comparisons as one condition; None where there are none.

    An empty value asks for missing ones: `city=` has none, `city!=` has one. Raises Invalid (422).
    """
    conditions = [_condition(comparison, {column.name: column for column in columns}) for comparison in comparisons]
    return pl.all_horizontal(conditions) if conditions else None


def _condition(comparison: str, columns: dict[str, Column]) -> pl.Expr:
    column, sign, text = _split(comparison, columns)
    cells = pl.col(column.name)
    if not text:
        if sign not in ("=", "!="):
            raise Invalid.field(_FIELD, comparison, "only = and != can ask for missing values")
        return cells.is_null() if sign == "=" else cells.is_not_null()
    if column.type == "boolean" and sign not in ("=", "!="):
        raise Invalid.field(_FIELD, comparison, f"column {column.name!r} holds true and false; compare by = or !=")
    if column.type == "datetime":
        cells = cells.dt.replace_time_zone(None)
    condition: pl.Expr = _OPERATORS[sign](cells, _value(comparison, column, text))
    return condition.fill_null(value=False)


def _split(comparison: str, columns: dict[str, Column]) -> tuple[Column, str, str]:
    """A name may have a sign in it: the longest name that a sign follows is meant."""
    found = [
        (columns[name], sign[1], comparison[sign.end() :].strip())
        for sign in _COMPARISON.finditer(comparison)
        if (name := comparison[: sign.start()].strip()) in columns
    ]
    if not found:
        listed = ", ".join(list(columns)[:20])
        message = f"is no comparison of a column, such as age>=30; the columns are {listed}"
        raise Invalid.field(_FIELD, comparison, message)
    return found[-1]


def _value(comparison: str, column: Column, text: str) -> Any:
    try:
        value = _READ[column.type](text)
    except (ValueError, KeyError) as error:
        message = f"column {column.name!r} holds values of type {column.type}, such as {_EXAMPLES[column.type]}"
        raise Invalid.field(_FIELD, comparison, message) from error
    return value


def _whole(text: str) -> int | float:
    return int(text) if text.lstrip("+-").isdecimal() else float(text)


def _moment(text: str) -> datetime:
    """In UTC, without saying so: as the cells are compared."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


_READ: dict[str, Callable[[str], Any]] = {
    "integer": _whole,
    "number": float,
    "string": str,
    "boolean": lambda text: _TRUTH[text.lower()],
    "date": date.fromisoformat,
    "datetime": _moment,
}
