"""Which columns a model uses, and what a score is called."""

import pytest
from detector_service import domain
from detector_service.domain import Unfit
from pynomaly_contracts.datasets import Column

COLUMNS = [
    Column(name="age", type="integer"),
    Column(name="weight", type="number"),
    Column(name="city", type="string"),
    Column(name="born", type="date"),
    Column(name="label", type="integer"),
]


def test_features_are_the_numeric_columns_but_the_target() -> None:
    assert domain.choose_features(COLUMNS, "label", []) == (["age", "weight"], ["city", "born", "label"])


def test_wanted_features_keep_their_order_and_the_others_are_ignored() -> None:
    wanted = ["weight", "age"]
    assert domain.choose_features(COLUMNS, None, wanted) == (wanted, ["city", "born", "label"])


def test_each_wanted_feature_that_cannot_be_one_is_named() -> None:
    with pytest.raises(Unfit) as refused:
        domain.choose_features(COLUMNS, "label", ["age", "city", "height", "label"])
    assert [refusal.value for refusal in refused.value.refusals] == ["city", "height", "label"]
    assert "no column 'height'; it has age, " in str(refused.value)
    assert "'city' holds string values" in str(refused.value)
    assert "'label' is the target" in str(refused.value)


def test_a_score_column_whose_name_is_taken_gets_a_prefix_until_it_is_free() -> None:
    names = domain.score_columns(["prediction", "is_anomaly", "pynomaly_is_anomaly"])
    assert names == {
        "raw_score": "raw_score",
        "prediction": "pynomaly_prediction",
        "is_anomaly": "pynomaly_pynomaly_is_anomaly",
    }
