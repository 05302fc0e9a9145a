"""Types guessed from a CSV file's first rows give way to what the rows after them say."""

from itertools import repeat
from pathlib import Path

import polars as pl
import pytest
from dataset_service.csv_columns import FIRST_ROWS, CsvColumns
from dataset_service.csv_scan import check_csv
from dataset_service.ingest import Ingestion
from dataset_service.reading import ReadingWanted

LATE = {
    "a fraction among integers": ("1", "1.5", "number"),
    "a word among integers": ("1", "x", "string"),
    "a code among integers": ("1", "007", "string"),
    "a fraction among codes": ("007", "1.5", "number"),
    "codes alone": ("007", "008", "string"),
    "a null word among integers": ("1", "NA", "integer"),
    "a null word among numbers": ("1.5", "nan", "number"),
    "a null word among codes": ("007", "NA", "string"),
    "a date after nothing": ("", "2024-01-31", "date"),
    "an integer after nothing": ("", "7", "integer"),
    "a word after null words": ("NA", "x", "string"),
    "a datetime among dates": ("2024-01-31", "2024-01-31 10:00:00", "string"),
    "nothing among dates": ("2024-01-31", "", "date"),
    "nothing among numbers": ("1.5", "", "number"),
    "a number too large for an integer": ("1", "9223372036854775808", "number"),
    "spaces around an integer": ("1", " 2 ", "integer"),
    "a word among truths": ("true", "maybe", "string"),
    "a word among words": ("x", "y", "string"),
}


def written(path: Path, usual: str, late: str, *, delimiter: str = ",") -> Path:
    """A file of two columns with one cell in the last row that is not as all before it."""
    rows = [*repeat(f"{usual}{delimiter}1", FIRST_ROWS + 1), f"{late}{delimiter}2"]
    path.write_text("\n".join((f"a{delimiter}b", *rows, "")))
    return path


def ingested(source: Path, **options: str) -> tuple[pl.DataFrame, dict[str, str]]:
    target, wanted = source.with_suffix(".parquet"), ReadingWanted.model_validate(options)
    ingestion = Ingestion(
        source, source.with_suffix(".scratch"), target, wanted, "text/csv", max_columns=9, max_expanded_bytes=1
    )
    table, _ = ingestion.run()
    return pl.read_parquet(target), {column.name: column.type for column in table.columns}


def read_whole(source: Path) -> pl.DataFrame:
    """By types for which every cell was looked at before one was written."""
    layout, _ = check_csv(source, ReadingWanted(), max_columns=9)
    schema = dict.fromkeys(layout.names, pl.String)
    cells = pl.scan_csv(source, has_header=False, skip_rows=1, separator=layout.delimiter, schema=schema)
    types, _ = CsvColumns(cells, layout, ReadingWanted()).read_all()
    return cells.select(types.conversions).collect()


@pytest.mark.parametrize(("usual", "late", "expected"), LATE.values(), ids=list(LATE))
def test_a_column_has_the_type_of_its_last_cell_as_well(tmp_path: Path, usual: str, late: str, expected: str) -> None:
    source = written(tmp_path / "t.csv", usual, late)
    table, types = ingested(source)
    assert types == {"a": expected, "b": "integer"}
    assert table.equals(read_whole(source))


@pytest.mark.parametrize("late", ["2,5", "1.234,5", "x", "3"])
def test_a_decimal_comma_in_the_last_row_makes_commas_the_decimal_mark(tmp_path: Path, late: str) -> None:
    source = written(tmp_path / "t.csv", "1", late, delimiter=";")
    table, _ = ingested(source)
    assert table.equals(read_whole(source))


def test_a_decimal_mark_that_is_given_is_kept_for_rows_of_any_number(tmp_path: Path) -> None:
    source = written(tmp_path / "t.csv", "1", "1.234", delimiter=";")
    table, types = ingested(source, decimal=",")
    assert types == {"a": "integer", "b": "integer"}
    assert table["a"].max() == 1234
