"""Arrow rows as the child reads them: in blocks, with each fault named by column and first row."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from detector_service.child.rows import read_blocks, read_labels
from detector_service.domain import Unfit


def stream(folder: Path, table: pa.Table, rows_per_batch: int = 2) -> Path:
    path = folder / "rows.arrows"
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows_per_batch)
    return path


def test_rows_come_in_file_order_with_the_features_in_the_wanted_order(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2, 3], "t": ["x", "y", "z"], "b": [0.5, 1.5, 2.5]})
    blocks = list(read_blocks(stream(tmp_path, table), ["b", "a"]))
    assert [block.first_row for block in blocks] == [1, 3]
    numeric = np.concatenate([block.numeric for block in blocks])
    assert numeric.flags.c_contiguous
    assert numeric.tolist() == [[0.5, 1.0], [1.5, 2.0], [2.5, 3.0]]


@pytest.mark.parametrize(("value", "word"), [(None, "missing"), (float("nan"), "missing"), (float("inf"), "infinite")])
def test_a_value_that_is_missing_or_infinite_is_named_by_column_and_first_row(
    tmp_path: Path, value: float | None, word: str
) -> None:
    table = pa.table({"a": pa.array([1.0, 2.0, 3.0, 4.0]), "b": pa.array([1.0, 2.0, value, value])})
    with pytest.raises(Unfit, match=f"column 'b' has an? {word} value, first in row 3"):
        list(read_blocks(stream(tmp_path, table), ["a", "b"]))


@pytest.mark.parametrize(
    "values", [[1, 0, 1], [True, False, True], ["yes", "NO", "Yes"], ["anomaly", "normal", "Anomaly"], [1.0, 0.0, 1.0]]
)
def test_labels_are_read_in_every_spelling(tmp_path: Path, values: list[Any]) -> None:
    (block,) = read_blocks(stream(tmp_path, pa.table({"label": values}), 3), [])
    assert read_labels(block, "label").tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("values", "shown"), [(["yes", "maybe", "x"], "'maybe'"), ([1, 2, 3], "2"), ([1, None], "None")]
)
def test_the_first_row_whose_label_is_none_is_named(tmp_path: Path, values: list[Any], shown: str) -> None:
    (block,) = read_blocks(stream(tmp_path, pa.table({"label": values}), 3), [])
    with pytest.raises(Unfit, match=rf"column 'label', row 2: {shown} is not a label"):
        read_labels(block, "label")
