"""The types of a CSV file's columns without a look at every cell for every type.

Types are guessed from the first rows, the file is written by them, and then it is asked whether every cell was read. A
type that reads all cells of a column and is the first to read all of its first ones is the first to read them all.
"""

from dataclasses import dataclass

import polars as pl

from dataset_service.csv_layout import CsvLayout
from dataset_service.csv_types import (
    NULL_WORDS,
    CsvTypes,
    Spelling,
    count_missing,
    has_decimal_commas,
    infer_types,
    unsure,
    zero_padded,
)
from dataset_service.reading import ReadingWanted

FIRST_ROWS = 10_000


@dataclass(frozen=True)
class Guess:
    """What the first `n_rows` say of all."""

    n_rows: int
    types: CsvTypes
    spelling: Spelling


class CsvColumns:
    """cells: every column as text."""

    def __init__(self, cells: pl.LazyFrame, layout: CsvLayout, wanted: ReadingWanted) -> None:
        self._cells, self._names = cells, layout.names
        self._words = NULL_WORDS if wanted.null_words is None else tuple(word for word in wanted.null_words if word)
        self._given = wanted.decimal
        self._may_have_commas = wanted.decimal is None and layout.delimiter != ","

    def read_all(self) -> tuple[CsvTypes, Spelling]:
        """Types and spelling from the whole file."""
        spelling = Spelling(self._given or ".", self._words)
        types = infer_types(self._cells, self._names, spelling)
        if self._may_have_commas and has_decimal_commas(self._cells, types.texts, self._words):
            spelling = Spelling(",", self._words)
            types = infer_types(self._cells, self._names, spelling)
        return types, spelling

    def guess(self, most_rows: int) -> Guess:
        """From at most so many rows; columns that these leave open are read as a whole."""
        spelling = Spelling(self._given or ".", self._words)
        first = self._cells.head(min(FIRST_ROWS, most_rows)).collect(engine="streaming")
        types = infer_types(first.lazy(), self._names, spelling)
        still_open = unsure(first.lazy(), types.texts, self._words)
        if still_open:
            types = types.replaced(infer_types(self._cells, still_open, spelling))
        return Guess(len(first), types, spelling)

    def holds(self, guess: Guess, written: pl.LazyFrame) -> bool:
        """Whether `written`, the whole file by the guess, is what `read_all` leads to."""
        types = guess.types
        nulls = count_missing(written, {name: pl.col(name) for name in types.present})
        doubtful = {name: cells for name, cells in types.present.items() if nulls[name]}
        if any(nulls[name] != n_missing for name, n_missing in count_missing(self._cells, doubtful).items()):
            return False
        if zero_padded(self._cells, types.integers):
            return False
        return not (self._may_have_commas and has_decimal_commas(self._cells, types.texts, self._words))
