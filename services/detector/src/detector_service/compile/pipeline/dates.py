"""Points in time as numbers: days that passed, and the place of weekday, month, day and hour on their circles."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from onnx import TensorProto

from detector_service.compile.family import FloatMatrix, FloatVector
from detector_service.compile.graph import Graph
from detector_service.compile.pipeline.blocks import Block, Feature
from detector_service.features import SourceColumn

_DAY_S, _HOUR_S = 86_400.0, 3_600.0
# Years 1 to 9999, what Python's and most other calendars hold; a moment beyond counts as the nearest of these.
_FIRST_S, _LAST_S = -62_135_596_800.0, 253_402_300_799.0
_MARCH_0000 = 719_468.0  # days from 0000-03-01 to 1970-01-01
_DAYS_PER_ERA = 146_097.0  # 400 years
_WEEK_BEGAN = 3.0  # 1970-01-01 was a Thursday; a week begins on Monday


def add_days(graph: Graph, seconds: str) -> str:
    """Days since 1970-01-01T00:00Z, with their fraction; seconds: (n_rows, n)."""
    return graph.add("Div", _within_calendar(graph, seconds), graph.constant(_DAY_S))


def add_parts(graph: Graph, seconds: str, columns: Sequence[tuple[int, SourceColumn]]) -> list[Block]:
    """Sine and cosine of weekday, month and day of the month, and of the hour where a column is a datetime.

    seconds: (n_rows, n_columns), of `columns` with their positions among the features. UTC.
    """
    # Whole seconds first: a quotient of fractions may round up to the next day.
    whole = graph.add("Floor", _within_calendar(graph, seconds))
    day = graph.add("Floor", graph.add("Div", whole, graph.constant(_DAY_S)))
    weekday = _modulo(graph, graph.add("Add", day, graph.constant(_WEEK_BEGAN)), 7.0)
    blocks = [
        _looked_up(graph, weekday, _WEEKDAY, columns),
        _looked_up(graph, _day_of_year(graph, day), _MONTH_AND_DAY, columns),
    ]
    timed = [number for number, (_, column) in enumerate(columns) if column.type == "datetime"]
    if timed:
        hour = graph.add("Floor", graph.add("Div", _modulo(graph, whole, _DAY_S), graph.constant(_HOUR_S)))
        hours = graph.take_columns(hour, timed, len(columns))
        blocks.append(_looked_up(graph, hours, _HOUR, [columns[number] for number in timed]))
    return blocks


def _within_calendar(graph: Graph, seconds: str) -> str:
    return graph.add("Clip", seconds, graph.constant(_FIRST_S), graph.constant(_LAST_S))


def _modulo(graph: Graph, value: str, divisor: float) -> str:
    """value - divisor * floor(value / divisor), of whole numbers; in [0, divisor)."""
    return graph.add("Sub", value, graph.add("Mul", _quotient(graph, value, divisor), graph.constant(divisor)))


def _quotient(graph: Graph, value: str, divisor: float) -> str:
    return graph.add("Floor", graph.add("Div", value, graph.constant(divisor)))


def _day_of_year(graph: Graph, day: str) -> str:
    """Days since the last 1 March, 0 to 365: `civil_from_days` of Howard Hinnant's date algorithms."""
    of_era = _modulo(graph, graph.add("Add", day, graph.constant(_MARCH_0000)), _DAYS_PER_ERA)
    fours, centuries = _quotient(graph, of_era, 1_460.0), _quotient(graph, of_era, 36_524.0)
    last = _quotient(graph, of_era, _DAYS_PER_ERA - 1)
    without_leap_days = graph.add("Sub", graph.add("Add", graph.add("Sub", of_era, fours), centuries), last)
    year = _quotient(graph, without_leap_days, 365.0)
    leap_days = graph.add("Sub", _quotient(graph, year, 4.0), _quotient(graph, year, 100.0))
    before = graph.add("Add", graph.add("Mul", year, graph.constant(365.0)), leap_days)
    return graph.add("Sub", of_era, before)


def _looked_up(graph: Graph, index: str, table: "_Table", columns: Sequence[tuple[int, SourceColumn]]) -> Block:
    """The table's rows at whole numbers `index` (n_rows, n_columns)."""
    found = graph.add("Gather", graph.constant(table.values), graph.add("Cast", index, to=TensorProto.INT64))
    shape = graph.constant([0, len(columns) * table.values.shape[1]], np.int64)
    waves = [f"{part} {wave}" for part in table.parts for wave in ("sine", "cosine")]
    features = [
        Feature(position, table.place + number, f"{column.name} {wave}")
        for position, column in columns
        for number, wave in enumerate(waves)
    ]
    return Block(graph.add("Reshape", found, shape), features)


class _Table(NamedTuple):
    """values: sine and cosine of each part, (n, 2 * n_parts). place: of the first among a column's features."""

    values: FloatMatrix
    parts: tuple[str, ...]
    place: int


def _on_circle(places: FloatVector, n: int) -> FloatMatrix:
    """Sine and cosine of places among n, (len(places), 2)."""
    angles = 2 * np.pi * places / n
    return np.column_stack([np.sin(angles), np.cos(angles)])


def _days_from_march() -> list[dt.date]:
    march = dt.date(1999, 3, 1)  # of the year that ends on 29 February 2000
    return [march + dt.timedelta(days=number) for number in range(366)]


_WEEKDAY = _Table(_on_circle(np.arange(7.0), 7), ("weekday",), 1)
_MONTH_AND_DAY = _Table(
    np.hstack(
        [
            _on_circle(np.array([day.month - 1.0 for day in _days_from_march()]), 12),
            _on_circle(np.array([day.day - 1.0 for day in _days_from_march()]), 31),
        ]
    ),
    ("month", "day"),
    3,
)
_HOUR = _Table(_on_circle(np.arange(24.0), 24), ("hour",), 7)
