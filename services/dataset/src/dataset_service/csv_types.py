"""Column types of a CSV file, found over all of its cells, and the expressions that convert them.

A column has the first type of `_parsers` that all of its cells have, else it is text, kept as it stands. Missing: an
empty cell; outside text also the MISSING_WORDS. Numbers with leading zeros are codes, and stay text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl
from pynomaly_contracts.datasets import Column, ColumnType

MISSING_WORDS = ("", "nan", "na", "n/a", "null", "none")
DATETIME_FORMATS = tuple(
    f"%Y-%m-%d{between}{time}{zone}"
    for between in ("T", " ")
    for time in ("%H:%M:%S%.f", "%H:%M")
    for zone in ("", "%#z")
)
_DECIMAL_COMMA = r"^[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+$"
_WHOLE = r"^[+-]?(\d{1,3}(\.\d{3})+|\d+)$"
# Enough columns at a time to read the file seldom, few enough to bound the plan.
_COLUMNS_AT_ONCE = 2_000


@dataclass(frozen=True)
class Parser:
    """A type and the expression that reads its cells; null where a cell is of another type."""

    type: ColumnType
    cells: pl.Expr


@dataclass(frozen=True)
class CsvTypes:
    """What a file's cells are."""

    columns: tuple[Column, ...]
    conversions: tuple[pl.Expr, ...]


def infer_types(cells: pl.LazyFrame, names: Sequence[str]) -> CsvTypes:
    """cells: every column as text, in the order of `names`."""
    found = _first_fitting(cells, {name: _Reading(pl.col(name), _plain(name)) for name in names})
    codes = _zero_padded(cells, [name for name, parser in found.items() if parser.type == "integer"])
    undecided = [name for name in names if name not in found]
    found |= _first_fitting(cells, {name: _Reading(_word(name), _worded(_word(name))) for name in undecided})
    text = {name: Parser("string", pl.col(name)) for name in names}
    chosen = [text[name] if name in codes else found.get(name, text[name]) for name in names]
    return CsvTypes(
        columns=tuple(Column(name=name, type=parser.type) for name, parser in zip(names, chosen, strict=True)),
        conversions=tuple(parser.cells.alias(name) for name, parser in zip(names, chosen, strict=True)),
    )


def find_decimal_commas(cells: pl.LazyFrame, names: Sequence[str]) -> tuple[str, str] | None:
    """The first of the text columns `names` whose cells are all numbers, some with decimal commas, and one such cell.

    In a table with such a column no dot is sure to be a decimal point: 1.234 may be a thousand.
    """
    for batch in _batches(list(names)):
        found = [_decimal_comma(pl.col(name)).alias(f"{position}") for position, name in enumerate(batch)]
        row = cells.select(found).collect(engine="streaming").row(0)
        for name, example in zip(batch, row, strict=True):
            if example is not None:
                return name, example
    return None


def _decimal_comma(cell: pl.Expr) -> pl.Expr:
    """One cell with a decimal comma; null where there is none, or a cell that is no number."""
    word = cell.str.strip_chars()
    with_comma = word.str.contains(_DECIMAL_COMMA)
    missing = cell.is_null() | word.str.to_lowercase().is_in(MISSING_WORDS)
    all_numbers = (missing | with_comma | word.str.contains(_WHOLE)).all()
    return pl.when(all_numbers).then(pl.when(with_comma).then(word).max())


@dataclass(frozen=True)
class _Reading:
    """A column's present cells, null where missing, and what to try on them."""

    present: pl.Expr
    parsers: Sequence[Parser]


def _plain(name: str) -> list[Parser]:
    """What most columns are, without a look at their words: that costs eight times as much."""
    cell = pl.col(name)
    return [
        Parser("integer", cell.cast(pl.Int64, strict=False)),
        Parser("number", cell.cast(pl.Float64, strict=False).fill_nan(None)),
    ]


def _zero_padded(cells: pl.LazyFrame, names: list[str]) -> set[str]:
    padded = [_is_zero_padded(pl.col(name)).any().alias(name) for name in names]
    row = cells.select(padded).collect(engine="streaming").row(0, named=True) if padded else {}
    return {name for name, is_code in row.items() if is_code}


def _is_zero_padded(word: pl.Expr) -> pl.Expr:
    return word.str.starts_with("0") & (word.str.len_bytes() > 1)


def _word(name: str) -> pl.Expr:
    """The cell without spaces around it; null where it says that the value is missing."""
    word = pl.col(name).str.strip_chars()
    return pl.when(~word.str.to_lowercase().is_in(MISSING_WORDS)).then(word)


def _worded(word: pl.Expr) -> list[Parser]:
    lower = word.str.to_lowercase()
    truth = pl.when(lower == "true").then(True).when(lower == "false").then(False)
    number = pl.when(~word.str.contains(r"^0\d")).then(word)
    return [
        Parser("integer", number.cast(pl.Int64, strict=False)),
        Parser("number", number.cast(pl.Float64, strict=False).fill_nan(None)),
        Parser("boolean", truth),
        Parser("date", word.str.to_date("%Y-%m-%d", strict=False)),
        *(Parser("datetime", word.str.to_datetime(given, strict=False, time_unit="us")) for given in DATETIME_FORMATS),
    ]


def _first_fitting(cells: pl.LazyFrame, readings: dict[str, _Reading]) -> dict[str, Parser]:
    """The first parser of each column that reads all of its present cells; a column without any has none."""
    found: dict[str, Parser] = {}
    for names in _batches(list(readings)):
        counts = [
            expression.count().alias(f"{position}.{figure}")
            for position, name in enumerate(names)
            for figure, expression in enumerate(_expressions(readings[name]))
        ]
        row = iter(cells.select(counts).collect(engine="streaming").row(0))
        for name in names:
            n_present, *n_read = (next(row) for _ in _expressions(readings[name]))
            if n_present and n_present in n_read:
                found[name] = readings[name].parsers[n_read.index(n_present)]
    return found


def _expressions(reading: _Reading) -> list[pl.Expr]:
    return [reading.present, *(parser.cells for parser in reading.parsers)]


def _batches(names: list[str]) -> Iterable[list[str]]:
    return (names[start : start + _COLUMNS_AT_ONCE] for start in range(0, len(names), _COLUMNS_AT_ONCE))
