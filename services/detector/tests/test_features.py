"""Which columns a model uses, and what becomes of each."""

import contextlib
import time
from typing import Any

import pytest
from detector_service.domain import Unfit
from detector_service.features import SourceColumn, check_features, choose_features, source_columns
from pynomaly_contracts.datasets import Column
from pynomaly_contracts.detectors import Preprocessing

COLUMNS = [
    Column(name="age", type="integer"),
    Column(name="weight", type="number"),
    Column(name="city", type="string"),
    Column(name="born", type="date"),
    Column(name="seen", type="datetime"),
    Column(name="member", type="boolean"),
    Column(name="label", type="integer"),
]


def chosen(target: str | None, wanted: list[str], **settings: Any) -> tuple[list[str], list[str]]:
    features, ignored = choose_features(COLUMNS, target, wanted, Preprocessing.model_validate(settings))
    return [column.name for column in features], ignored


def test_features_are_the_numbers_and_booleans_but_the_target() -> None:
    assert chosen("label", []) == (["age", "weight", "member"], ["city", "born", "seen", "label"])


@pytest.mark.parametrize(
    ("settings", "added"),
    [
        ({"categories": "onehot"}, ["city"]),
        ({"categories": "frequency"}, ["city"]),
        ({"categories": "reject", "dates": "reject"}, []),
        ({"dates": "parts"}, ["born", "seen"]),
        ({"columns": {"seen": {"dates": "parts"}}}, ["seen"]),
        (
            {"dates": "parts", "columns": {"seen": {"dates": "reject"}, "city": {"categories": "onehot"}}},
            ["city", "born"],
        ),
    ],
)
def test_texts_and_dates_join_where_it_is_said_what_to_make_of_them(settings: dict[str, Any], added: list[str]) -> None:
    features, ignored = chosen("label", [], **settings)
    assert [name for name in features if name not in ("age", "weight", "member")] == added
    assert sorted(features + ignored) == sorted(column.name for column in COLUMNS)


@pytest.mark.parametrize("prefix", ["c", "other"])
def test_ten_thousand_columns_are_chosen_or_refused_at_once(prefix: str) -> None:
    columns = [Column(name=f"c{number}", type="number") for number in range(10_000)]
    began_s = time.process_time()
    with contextlib.suppress(Unfit):
        choose_features(columns, None, [f"{prefix}{number}" for number in range(10_000)], Preprocessing())
    assert time.process_time() - began_s < 5  # the event loop waits for it; ten times what it takes


def test_a_setting_of_a_column_that_the_data_lacks_is_refused() -> None:
    with pytest.raises(Unfit, match="no column 'height'; it has age, ") as refused:
        chosen(None, [], columns={"height": {"missing": "median"}})
    assert refused.value.refusals[0].field == "preprocessing.columns.height"


def test_wanted_features_keep_their_order_whatever_their_type_and_the_others_are_ignored() -> None:
    wanted = ["weight", "seen", "city", "age"]
    assert chosen(None, wanted) == (wanted, ["born", "member", "label"])


def test_each_wanted_feature_that_cannot_be_one_is_named() -> None:
    with pytest.raises(Unfit) as refused:
        chosen("label", ["age", "city", "born", "height", "label"], categories="reject", dates="reject")
    assert [refusal.value for refusal in refused.value.refusals] == ["city", "born", "height", "label"]
    assert "no column 'height'; it has age, " in str(refused.value)
    assert "'city' holds string values, not numbers; set preprocessing.categories to onehot or " in str(refused.value)
    assert "'born' holds date values, not numbers; set preprocessing.dates to parts" in str(refused.value)
    assert "'label' is the target" in str(refused.value)


def test_data_without_a_column_to_learn_from_is_refused_with_what_to_set() -> None:
    with pytest.raises(Unfit, match=r"no numeric column.*preprocessing.categories and preprocessing.dates"):
        choose_features(COLUMNS[2:5], None, [], Preprocessing())


def test_what_a_column_says_of_itself_goes_before_what_is_said_of_all() -> None:
    wanted = Preprocessing.model_validate(
        {"missing": "median", "scaling": "robust", "columns": {"city": {"missing": "reject", "max_categories": 3}}}
    )
    age, city = source_columns([COLUMNS[0], COLUMNS[2]], wanted)
    assert age == SourceColumn(name="age", type="integer", missing="median", scaling="robust")
    assert city == SourceColumn(name="city", type="string", missing="reject", scaling="robust", max_categories=3)


def test_a_model_takes_numbers_that_happen_to_be_whole_and_dates_with_or_without_a_time() -> None:
    check_features(COLUMNS, {"age": "number", "weight": "integer", "born": "datetime", "seen": "date"})
    with pytest.raises(Unfit) as refused:
        check_features(COLUMNS, {"member": "number", "age": "string", "city": "boolean", "height": "number"})
    assert [refusal.value for refusal in refused.value.refusals] == ["member", "age", "city", "height"]
