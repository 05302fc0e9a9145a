"""Arrow rows as the child reads them: in blocks, with each fault named by column and first row."""

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from detector_service.child.rows import read_blocks, read_checked, read_labels
from detector_service.domain import Unfit
from pynomaly_contracts.datasets import Column
from pynomaly_scoring import InputColumn


def stream(folder: Path, table: pa.Table, rows_per_batch: int = 2) -> Path:
    path = folder / "rows.arrows"
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows_per_batch)
    return path


def of(**types: Any) -> list[Column]:
    return [Column(name=name, type=kind) for name, kind in types.items()]


def test_rows_come_in_file_order_with_the_features_in_the_wanted_order(tmp_path: Path) -> None:
    table = pa.table({"a": [1, 2, 3], "t": ["x", "y", "z"], "b": [0.5, 1.5, 2.5]})
    blocks = list(read_blocks(stream(tmp_path, table), of(b="number", a="integer")))
    assert [block.first_row for block in blocks] == [1, 3]
    numeric = np.concatenate([block.rows.numeric for block in blocks])
    assert numeric.flags.c_contiguous
    assert numeric.tolist() == [[0.5, 1.0], [1.5, 2.0], [2.5, 3.0]]
    assert all(block.rows.text is None for block in blocks)


def test_a_file_without_rows_is_one_block_of_none(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array([], pa.int64()), "t": pa.array([], pa.string())})
    (block,) = read_blocks(stream(tmp_path, table), of(a="integer", t="string"))
    assert block.rows.numeric.shape == (0, 1)
    assert block.rows.text is not None
    assert block.rows.text.shape == (0, 1)


def test_every_type_becomes_a_number_or_a_text_and_null_is_missing(tmp_path: Path) -> None:
    noon = dt.datetime(1969, 12, 31, 12, 0, 0, 500_000)  # noqa: DTZ001 - as files have them
    table = pa.table(
        {
            "flag": [True, None, False],
            "day": pa.array([dt.date(1970, 1, 2), None, dt.date(1969, 12, 31)]),
            "local": pa.array([noon, None, noon], pa.timestamp("us")),
            "zoned": pa.array([noon, None, noon], pa.timestamp("ms", "UTC")),
            "word": pa.array(["\u00e9", None, ""], pa.large_string()),
            "whole": [7, None, -7],
        }
    )
    types = {"flag": "boolean", "day": "date", "word": "string", "local": "datetime", "zoned": "datetime"}
    (block,) = read_blocks(stream(tmp_path, table, 3), of(**types, whole="integer"))
    assert block.rows.text is not None
    assert block.rows.text.tolist() == [["\u00e9"], [""], [""]]
    missing = [float("nan")] * 5
    expected = [[1, 86_400, -43_199.5, -43_199.5, 7], missing, [0, -86_400, -43_199.5, -43_199.5, -7]]
    np.testing.assert_array_equal(block.rows.numeric, expected)


MODEL = (
    InputColumn(name="a"),
    InputColumn(name="b", accepts_missing=True),
    InputColumn(name="c", type="string", categories=("x",)),
    InputColumn(name="flag", type="boolean"),
)


def table_for_model(**change: Any) -> pa.Table:
    good = {"a": [1.0, 2.0, 3.0], "b": [1.0, None, 3.0], "c": ["x", "x", "x"], "flag": [True, False, True]}
    return pa.table({name: values for name, values in (good | change).items() if values is not None})


def test_a_model_is_given_what_it_takes(tmp_path: Path) -> None:
    blocks = list(read_checked(stream(tmp_path, table_for_model(flag=[0, 1, 1])), MODEL))
    assert [block.rows.n_rows for block in blocks] == [2, 1]


@pytest.mark.parametrize(
    ("change", "column", "sentence"),
    [
        ({"a": [1.0, 2.0, None]}, "a", "column 'a', row 3: a value is missing"),
        ({"b": [1.0, 2.0, float("inf")]}, "b", "column 'b', row 3: inf is not a finite number"),
        ({"c": ["x", "x", None]}, "c", "column 'c', row 3: a value is missing"),
        ({"c": ["x", "x", "new"]}, "c", "column 'c', row 3: 'new' is a category that the training data did not have"),
        ({"flag": [0, 1, 2]}, "flag", "column 'flag', row 3: 2.0 is neither true nor false"),
    ],
)
def test_a_value_that_a_model_does_not_take_is_named_by_column_and_row(
    tmp_path: Path, change: dict[str, Any], column: str, sentence: str
) -> None:
    with pytest.raises(Unfit, match=sentence) as refused:
        list(read_checked(stream(tmp_path, table_for_model(**change)), MODEL))
    assert refused.value.refusals[0].field == column


def test_a_long_text_that_a_model_does_not_take_is_shown_by_its_ends(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match=r"row 3: 'x+\.\.\.x+' is a category that") as refused:
        list(read_checked(stream(tmp_path, table_for_model(c=["x", "x", "x" * 1_000_000])), MODEL))
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"a": None}, "no column 'a'; it has b, c, flag"),
        ({"a": ["1", "2", "3"]}, "'a' holds string values; the model learned from number values"),
        ({"c": [1, 2, 3]}, "'c' holds integer values; the model learned from string values"),
    ],
)
def test_a_column_of_another_type_than_the_model_learned_from_is_named(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Unfit, match=sentence):
        list(read_checked(stream(tmp_path, table_for_model(**change)), MODEL))


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
