"""Which columns a model uses, and figures that agree with scikit-learn's."""

from typing import Any

import numpy as np
import pytest
from detector_service import domain
from detector_service.domain import Unfit
from hypothesis import given
from hypothesis import strategies as st
from pynomaly_contracts.datasets import Column
from sklearn import metrics

COLUMNS = [
    Column(name="age", type="integer"),
    Column(name="weight", type="number"),
    Column(name="city", type="string"),
    Column(name="born", type="date"),
    Column(name="label", type="integer"),
]


@st.composite
def labelled_scores(draw: st.DrawFn) -> tuple[domain.BoolVector, domain.FloatVector]:
    """Both classes, scores with many ties."""
    n_rows = draw(st.integers(2, 60))
    labels = draw(st.lists(st.booleans(), min_size=n_rows, max_size=n_rows).filter(lambda found: len(set(found)) == 2))
    values = st.one_of(st.integers(0, 4).map(float), st.floats(-1e6, 1e6))
    scores = draw(st.lists(values, min_size=n_rows, max_size=n_rows))
    return np.array(labels), np.array(scores)


@given(labelled_scores())
def test_roc_auc_is_scikit_learns(data: tuple[Any, Any]) -> None:
    labels, scores = data
    assert domain.roc_auc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)


@given(labelled_scores())
def test_average_precision_is_scikit_learns(data: tuple[Any, Any]) -> None:
    labels, scores = data
    expected = metrics.average_precision_score(labels, scores)
    assert domain.average_precision(labels, scores) == pytest.approx(expected, abs=1e-12)


@given(labelled_scores())
def test_precision_at_n_is_the_mean_over_all_orders_of_tied_rows(data: tuple[Any, Any]) -> None:
    labels, scores = data
    n, random = int(labels.sum()), np.random.default_rng(0)
    expected = 0.0
    for score in np.unique(scores)[::-1]:  # fill n places, highest first, the last group by its share
        group, above = labels[scores == score], int((scores > score).sum())
        expected += group.mean() * max(0, min(len(group), n - above))
    assert domain.precision_at_n(labels, scores) == pytest.approx(expected / n, abs=1e-12)
    order = random.permutation(len(labels))
    assert domain.precision_at_n(labels[order], scores[order]) == domain.precision_at_n(labels, scores)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_confusion_and_f1_are_scikit_learns(rows: list[tuple[bool, bool]]) -> None:
    labels, verdicts = np.array(rows).T
    matrix = domain.confusion(labels, verdicts)
    table = metrics.confusion_matrix(labels, verdicts, labels=[False, True])
    found = [[matrix.true_negatives, matrix.false_positives], [matrix.false_negatives, matrix.true_positives]]
    assert found == table.tolist()
    assert domain.f1(matrix) == pytest.approx(metrics.f1_score(labels, verdicts, zero_division=0.0))


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
