"""Rows of mixed types as models with raw columns take and refuse them."""

import datetime
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from model_service.domain import Columns
from model_service.refusals import RowsRefused
from pynomaly_scoring import InputColumn

AGE = InputColumn(name="age")
COLUMNS = Columns(
    [
        replace(AGE, accepts_missing=True),
        InputColumn(name="city", type="string", categories=("Oslo", "Rome")),
        InputColumn(name="smokes", type="boolean"),
        InputColumn(name="born", type="date"),
        InputColumn(name="seen", type="datetime"),
    ]
)
NUMBERS = Columns([AGE, InputColumn(name="visits", type="integer")])
RIGHT: dict[str, Any] = {
    "age": 41,
    "city": "Oslo",
    "smokes": False,
    "born": "1970-01-02",
    "seen": "1970-01-01T01:00:00+01:00",
}
DAY = 86_400.0


def problems(refused: "pytest.ExceptionInfo[RowsRefused]") -> list[tuple[str, str]]:
    return [(problem.field, problem.message) for problem in refused.value.problems]


def test_objects_and_arrays_of_mixed_values_become_numbers_and_texts() -> None:
    rows = COLUMNS.of_rows([RIGHT, [None, "Rome", True, "1969-12-31", "1970-01-01T00:00:01.5"]])
    np.testing.assert_array_equal(rows.numeric, [[41, 0, DAY, 0], [np.nan, 1, -DAY, 1.5]])
    assert rows.text is not None
    assert rows.text.tolist() == [["Oslo"], ["Rome"]]
    assert rows.numeric.flags.c_contiguous


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("age", "41", "not a finite number"),
        ("age", True, "not a finite number"),
        ("age", float("inf"), "not a finite number"),
        ("age", 10**400, "not a finite number"),
        ("city", None, "preprocessing.missing"),
        ("city", "", "preprocessing.missing"),
        ("city", 7, "not a text"),
        ("city", "\ud800", "no UTF-8"),
        ("city", "Bergen", "preprocessing.unknown"),
        ("smokes", "true", "neither true nor false"),
        ("smokes", 2, "neither true nor false"),
        ("smokes", None, "preprocessing.missing"),
        ("born", "31.12.1969", "ISO 8601"),
        ("born", "1970-01-01T12:00:00", "not a date"),
        ("born", 0, "ISO 8601"),
        ("seen", "yesterday", "ISO 8601"),
        ("seen", [1], "ISO 8601"),
    ],
)
def test_a_wrong_value_is_named_with_its_row_its_column_and_the_fix(column: str, value: Any, message: str) -> None:
    with pytest.raises(RowsRefused) as refused:
        COLUMNS.of_rows([RIGHT, {**RIGHT, column: value}], place="body.data")
    ((field, found),) = problems(refused)
    assert field == f"body.data.1.{column}"
    assert message in found


def test_a_boolean_may_be_one_or_zero_and_a_datetime_a_date() -> None:
    rows = COLUMNS.of_rows([{**RIGHT, "smokes": 1, "seen": "1970-01-02"}])
    assert rows.numeric.tolist() == [[41, 1, DAY, DAY]]


def test_a_column_that_accepts_missing_takes_null_among_numbers() -> None:
    rows = COLUMNS.of_rows([{**RIGHT, "age": age} for age in (1, None, 2.5)])
    np.testing.assert_array_equal(rows.numeric[:, 0], [1, np.nan, 2.5])


def test_missing_unknown_and_wrong_values_are_named_in_the_order_of_rows() -> None:
    with pytest.raises(RowsRefused) as refused:
        NUMBERS.of_rows([{"age": 1}, [1], 7, {"age": None, "visits": 2, "extra": 3}])
    assert [field for field, _ in problems(refused)] == [
        "rows.0.visits",
        "rows.1",
        "rows.2",
        "rows.3.age",
        "rows.3.extra",
    ]


def test_columns_by_name_in_any_order_are_the_rows() -> None:
    by_name = {
        "seen": np.array(["1970-01-01T00:00:00.25", "NaT"], "datetime64[ms]"),
        "born": np.array([0, 1], "datetime64[D]"),
        "smokes": np.array([True, False]),
        "city": np.array(["Oslo", "Rome"]),
        "age": [41, None],
    }
    with pytest.raises(RowsRefused) as refused:
        COLUMNS.of_columns(by_name)
    assert [field for field, _ in problems(refused)] == ["rows.1.seen"]
    rows = COLUMNS.of_columns({**by_name, "seen": np.array([0.25, 2]), "city": np.array([b"Oslo", "Rome"], object)})
    np.testing.assert_array_equal(rows.numeric, [[41, 1, 0, 0.25], [np.nan, 0, DAY, 2]])
    assert rows.text is not None
    assert rows.text.tolist() == [["Oslo"], ["Rome"]]


def test_columns_in_the_declared_order_may_be_arrays_of_any_numbers_and_one_column_wide() -> None:
    rows = NUMBERS.of_columns([np.array([1, 2], np.int8), np.array([[0.5], [1.5]], np.float32)])
    assert rows.numeric.tolist() == [[1, 0.5], [2, 1.5]]


@pytest.mark.parametrize(
    ("columns", "field", "message"),
    [
        ({"age": [1.0]}, "body.visits", "missing"),
        ({"age": [1.0], "visits": [1], "extra": [1]}, "body.extra", "the model has age, visits"),
        ({"age": [1.0], "visits": [1, 2]}, "body.visits", "2 values, where another column has 1"),
        ({"age": [1.0], "visits": np.array([True])}, "body.visits", "numbers are expected, not bool"),
        ({"age": [1.0], "visits": np.array([1j])}, "body.visits", "numbers are expected, not complex128"),
        ({"age": [1.0], "visits": np.zeros((1, 2))}, "body.visits", "one value per row is expected"),
        ({"age": np.array(["1"]), "visits": [1]}, "body.0.age", "not a finite number"),
        ({"age": np.array([datetime.date(1970, 1, 1)]), "visits": [1]}, "body.0.age", "not a finite number"),
        ([[1.0]], "body", "2 columns are expected, in the order age, visits; got 1"),
    ],
)
def test_wrong_columns_are_named(columns: Any, field: str, message: str) -> None:
    with pytest.raises(RowsRefused) as refused:
        NUMBERS.of_columns(columns, place="body")
    ((found, told),) = problems(refused)
    assert found == field
    assert message in told


@pytest.mark.parametrize("moment", ["1970-01-01T23:00", "1969-12-31T23:59:59.999"])
def test_a_moment_is_no_date_also_in_an_array(moment: str) -> None:
    born = np.array(["1970-01-02", "NaT", moment], "datetime64[ms]")
    taken = Columns([InputColumn(name="born", type="date", accepts_missing=True)])
    np.testing.assert_array_equal(taken.of_columns([born[:2]]).numeric, [[DAY], [np.nan]])
    with pytest.raises(RowsRefused) as refused:
        taken.of_columns([born])
    ((field, message),) = problems(refused)
    assert (field, message[:22]) == ("rows.2.born", "has a time of day in U")


@pytest.mark.parametrize("n_characters", [3, 1_000])
def test_a_text_longer_than_any_category_is_cut_and_still_none(n_characters: int) -> None:
    known = "x" * n_characters
    columns = Columns([InputColumn(name="city", type="string", categories=(known,), accepts_unknown=True)])
    texts = [known, known + "x", known + "y" * 1_000_000]
    for rows in (columns.of_columns([texts]), columns.of_columns([np.array(texts, np.object_)])):
        assert rows.text is not None
        found = rows.text[:, 0].tolist()
        assert [text == known for text in found] == [True, False, False]
        assert max(map(len, found)) <= max(257, n_characters + 1)


def test_a_matrix_of_float64_is_not_copied_and_others_are_read() -> None:
    matrix = np.array([[1.0, 2.0]])
    assert NUMBERS.of_matrix(matrix).numeric is matrix
    assert NUMBERS.of_matrix(np.array([[1, 2]], np.uint8)).numeric.tolist() == [[1, 2]]
    mixed = np.array([[None, "Rome", True, "1970-01-02", "1970-01-01"]], object)
    np.testing.assert_array_equal(COLUMNS.of_matrix(mixed).numeric, [[np.nan, 1, DAY, 0]])


@pytest.mark.parametrize(
    ("matrix", "field", "message"),
    [
        (np.zeros((1, 3)), "x", "[n_rows, 2], not [1, 3]; in the order age, visits"),
        (np.zeros(2), "x", "[n_rows, 2], not [2]"),
        (np.array([[1.0, np.nan]]), "x.0.visits", "preprocessing.missing"),
        (np.array([[np.inf, 1.0]]), "x.0.age", "not a finite number"),
    ],
    ids=["width", "one-dimension", "missing", "infinite"],
)
def test_a_wrong_matrix_is_refused(matrix: Any, field: str, message: str) -> None:
    with pytest.raises(RowsRefused) as refused:
        NUMBERS.of_matrix(matrix, place="x")
    ((found, told),) = problems(refused)
    assert found == field
    assert message in told


async def test_raw_rows_are_scored_over_http(register, client, predict, name, mixed) -> None:
    await register(**mixed)
    assert (await predict(RIGHT)).json()["raw_score"] == pytest.approx(41 + 1000 + 1)
    rows = [RIGHT, [None, "Rome", True, "1970-01-01", "1970-01-01T00:00:00Z"]]
    batch = (await client.post("/api/v1/predict/batch", json={"data": rows, "model_id": name})).json()
    assert [row["raw_score"] for row in batch["predictions"]] == pytest.approx([1042, 2017])


async def test_raw_rows_with_escapes_and_keys_given_twice_are_read_strictly(register, client, name, mixed) -> None:
    await register(**mixed)
    head, row = f'{{"model_id": "{name}", "data": ', '{"age": null, "city": "\\u004fslo", "smokes": true, '
    dates = '"born": "1970-01-01", "seen": "1970-01-01T00:00:00Z"'
    posted = {"headers": {"content-type": "application/json"}}
    answer = await client.post("/api/v1/predict", content=f"{head}{row}{dates}}}}}", **posted)
    assert answer.json()["raw_score"] == pytest.approx(1017)
    twice = await client.post("/api/v1/predict", content=f'{head}{row}{dates}, "age": 1}}}}', **posted)
    assert (twice.status_code, twice.json()["errors"][0]["value"]) == (422, "age")


async def test_a_wrong_raw_value_is_a_422_that_names_it(register, predict, mixed) -> None:
    await register(**mixed)
    answer = await predict({**RIGHT, "city": "Bergen"})
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"], error["value"]) == (422, "body.data.city", "Bergen")
