"""Column types of a CSV file, found over all of its cells, and the expressions that convert them.

A column has the first type that all of its cells have, else it is text, kept as it stands. Missing: an empty cell;
outside text also the null words. Numbers with leading zeros are codes, and stay text. In a table with decimal commas a
dot divides thousands, but for columns that this does not fit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
from pynomaly_contracts.datasets import Column, ColumnType, DecimalMark

NULL_WORDS = ("nan", "na", "n/a", "null", "none")
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
    """What a file's cells are. present: of each column that is not text, its cells, null where missing."""

    columns: tuple[Column, ...]
    conversions: tuple[pl.Expr, ...]
    present: Mapping[str, pl.Expr]

    @property
    def texts(self) -> list[str]:
        return [column.name for column in self.columns if column.type == "string"]

    @property
    def integers(self) -> list[str]:
        return [column.name for column in self.columns if column.type == "integer"]

    def replaced(self, others: "CsvTypes") -> "CsvTypes":
        """These, but for the columns that `others` has."""
        own = zip(self.columns, self.conversions, strict=True)
        new = dict(
            zip(
                (column.name for column in others.columns),
                zip(others.columns, others.conversions, strict=True),
                strict=True,
            )
        )
        columns, conversions = zip(*(new.get(each[0].name, each) for each in own), strict=True)
        return CsvTypes(columns, conversions, {**self.present, **others.present})


@dataclass(frozen=True)
class Spelling:
    """How a file writes numbers, and missing values besides empty cells (in lower case)."""

    decimal: DecimalMark = "."
    null_words: tuple[str, ...] = NULL_WORDS

    @property
    def is_plain(self) -> bool:
        """Whether most columns can be read without a look at their words."""
        return self == Spelling()


def infer_types(cells: pl.LazyFrame, names: Sequence[str], spelling: Spelling = Spelling()) -> CsvTypes:
    """cells: every column as text, in the order of `names`."""
    plain = names if spelling.is_plain else ()
    found = _first_fitting(cells, {name: _Reading(pl.col(name), _plain(name)) for name in plain})
    codes = zero_padded(cells, [name for name, parser in found.items() if parser.type == "integer"])
    undecided = [name for name in names if name not in found]
    words = {name: word_of(name, spelling.null_words) for name in undecided}
    found |= _first_fitting(cells, {name: _Reading(word, _worded(word, spelling)) for name, word in words.items()})
    text = {name: Parser("string", pl.col(name)) for name in names}
    chosen = [text[name] if name in codes else found.get(name, text[name]) for name in names]
    typed = [name for name in found if name not in codes]
    return CsvTypes(
        columns=tuple(Column(name=name, type=parser.type) for name, parser in zip(names, chosen, strict=True)),
        conversions=tuple(parser.cells.alias(name) for name, parser in zip(names, chosen, strict=True)),
        present={name: words.get(name, pl.col(name)) for name in typed},
    )


def has_decimal_commas(cells: pl.LazyFrame, names: Sequence[str], null_words: Sequence[str]) -> bool:
    """Whether one of the text columns `names` holds numbers alone, some with decimal commas.

    In a table with such a column no dot is sure to be a decimal point: 1.234 may be a thousand.
    """
    for batch in _batches(list(names)):
        found = [_decimal_comma(name, null_words).alias(f"{position}") for position, name in enumerate(batch)]
        if any(cells.select(found).collect(engine="streaming").row(0)):
            return True
    return False


def _decimal_comma(name: str, null_words: Sequence[str]) -> pl.Expr:
    word = word_of(name, null_words)
    with_comma = word.str.contains(_DECIMAL_COMMA)
    return with_comma.any() & (word.is_null() | with_comma | word.str.contains(_WHOLE)).all()


def find_times(rows: pl.LazyFrame, names: Sequence[str]) -> list[pl.Expr]:
    """Of JSON's texts `names`, the conversions of those that are all dates or all datetimes."""
    readings = {name: _Reading(pl.col(name), _times(pl.col(name))) for name in names}
    found = _first_fitting(rows, readings)
    return [parser.cells.alias(name) for name, parser in found.items()]


def _times(word: pl.Expr) -> list[Parser]:
    return [
        Parser("date", word.str.to_date("%Y-%m-%d", strict=False)),
        *(Parser("datetime", word.str.to_datetime(given, strict=False, time_unit="us")) for given in DATETIME_FORMATS),
    ]


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


def zero_padded(cells: pl.LazyFrame, names: list[str]) -> set[str]:
    """Those of the integer columns `names` that hold codes."""
    padded = [_is_zero_padded(pl.col(name)).any().alias(name) for name in names]
    row = cells.select(padded).collect(engine="streaming").row(0, named=True) if padded else {}
    return {name for name, is_code in row.items() if is_code}


def unsure(cells: pl.LazyFrame, names: Sequence[str], null_words: Sequence[str]) -> list[str]:
    """Those of the text columns `names` that further cells may make numbers or dates: all is missing, or codes."""
    read = []
    for name in names:
        word = word_of(name, null_words)
        read.append((word.is_null() | word.cast(pl.Float64, strict=False).is_not_null()).all().alias(name))
    row = cells.select(read).collect(engine="streaming").row(0, named=True) if read else {}
    return [name for name, is_open in row.items() if is_open]


def count_missing(cells: pl.LazyFrame, present: Mapping[str, pl.Expr]) -> dict[str, int]:
    """How many nulls each expression has."""
    found: dict[str, int] = {}
    for names in _batches(list(present)):
        counts = [present[name].null_count().alias(name) for name in names]
        found |= cells.select(counts).collect(engine="streaming").row(0, named=True)
    return found


def _is_zero_padded(word: pl.Expr) -> pl.Expr:
    return word.str.starts_with("0") & (word.str.len_bytes() > 1)


def word_of(name: str, null_words: Sequence[str]) -> pl.Expr:
    """The cell without spaces around it; null where it says that the value is missing."""
    word = pl.col(name).str.strip_chars()
    return pl.when(~word.str.to_lowercase().is_in(("", *null_words))).then(word)


def _numbers(word: pl.Expr) -> list[Parser]:
    number = pl.when(~word.str.contains(r"^0\d")).then(word)
    return [
        Parser("integer", number.cast(pl.Int64, strict=False)),
        Parser("number", number.cast(pl.Float64, strict=False).fill_nan(None)),
    ]


def _pointed(word: pl.Expr) -> pl.Expr:
    """1.234,5 as 1234.5; null where it is no number with a decimal comma."""
    fits = word.str.contains(_DECIMAL_COMMA) | word.str.contains(_WHOLE)
    return pl.when(fits).then(word.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True))


def _worded(word: pl.Expr, spelling: Spelling) -> list[Parser]:
    lower = word.str.to_lowercase()
    truth = pl.when(lower == "true").then(True).when(lower == "false").then(False)
    return [
        *(_numbers(_pointed(word)) if spelling.decimal == "," else ()),
        *_numbers(word),
        Parser("boolean", truth),
        *_times(word),
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
