"""Columns that a training cannot learn from are told of."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from detector_service.child.rows import BLOCK_ROWS
from detector_service.child.useless import column_warnings

N_ROWS = BLOCK_ROWS + 10
ENDLESS = "nothing can be learned from that; leave it out"


def written(folder: Path, **columns: Any) -> Path:
    path, table = folder / "rows.arrows", pa.table(columns)
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)
    return path


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(np.full(N_ROWS, 3.5), id="a number"),
        pytest.param(pa.array([7] * 10 + [None] * (N_ROWS - 10)), id="an integer, missing elsewhere"),
        pytest.param(np.append(np.full(N_ROWS - 1, np.nan), 1.0), id="one number and NaN"),
        pytest.param(pa.array(["x"] * N_ROWS), id="a text"),
        pytest.param(pa.array([date(2026, 1, 1)] * N_ROWS), id="a date"),
        pytest.param(np.zeros(N_ROWS, bool), id="a boolean"),
    ],
)
def test_a_column_of_one_value_is_told_of(tmp_path: Path, values: Any) -> None:
    path = written(tmp_path, it=values, other=np.arange(N_ROWS))
    assert column_warnings(path, ["it", "other"]) == [f"all rows have the same value in 'it': {ENDLESS}"]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(pa.nulls(N_ROWS, pa.float64()), id="numbers"),
        pytest.param(np.full(N_ROWS, np.nan), id="NaN"),
        pytest.param(pa.nulls(N_ROWS, pa.string()), id="texts"),
    ],
)
def test_a_column_without_any_value_is_told_of(tmp_path: Path, values: Any) -> None:
    path = written(tmp_path, it=values, other=np.arange(N_ROWS))
    assert column_warnings(path, ["other", "it"]) == [f"no row has a value in 'it': {ENDLESS}"]


def test_a_column_that_varies_in_the_last_row_alone_is_not_told_of(tmp_path: Path) -> None:
    path = written(tmp_path, it=np.append(np.zeros(N_ROWS - 1), 1.0), label=np.zeros(N_ROWS))
    assert column_warnings(path, ["it"]) == []


def test_of_many_such_columns_twenty_are_named(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(30)]
    (told,) = column_warnings(written(tmp_path, **{name: np.zeros(3) for name in names}), names)
    assert "'c19' and 10 more: " in told
