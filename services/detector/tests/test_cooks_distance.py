"""Cook's distance of single rows: stock PyOD's when the row is the last of training + row."""

import numpy as np
import onnx
import pytest
from detector_service.algorithms import create_estimator, get_algorithm
from detector_service.compile import compile_detector, run_graph
from detector_service.estimators.cooks_distance import CD
from numpy.typing import NDArray
from pyod.models import cd


@pytest.fixture
def training() -> NDArray[np.float64]:
    """Three columns, the last of which the others explain but for noise; 80 rows."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(80, 3)) + 5
    rows[:, 2] = rows[:, 0] - 2 * rows[:, 1] + 0.1 * rows[:, 2]
    return rows


def test_a_row_scores_as_stock_pyod_scores_it_at_the_end_of_the_training_data(
    training: NDArray[np.float64],
) -> None:
    ours, stock = CD().fit(training), cd.CD().fit(training)
    rows = training[:5] + np.array([0.3, 0.0, -0.4])
    expected = [stock.decision_function(np.vstack((training, row)))[-1] for row in rows]
    np.testing.assert_array_equal(ours.decision_function(rows), expected)
    np.testing.assert_array_equal(ours.decision_scores_, stock.decision_scores_)
    assert ours.threshold_ == stock.threshold_


def test_stock_pyod_scores_a_row_by_its_companions_and_alone_not_at_all(training: NDArray[np.float64]) -> None:
    stock, graph = cd.CD().fit(training), compiled(training)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning):
        alone = stock.decision_function(training[:1])[0]
    companies = [stock.decision_function(training[:n])[0] for n in (20, 80)]
    assert np.isnan(alone)
    assert companies[0] != pytest.approx(companies[1], rel=0.1)
    ours = [run_graph(graph, training[:n])["raw_score"][0] for n in (1, 20, 80)]
    assert ours == pytest.approx([ours[0]] * 3, rel=1e-12)


def test_a_row_far_from_the_regressions_is_an_anomaly_and_one_beyond_all_numbers_too(
    training: NDArray[np.float64],
) -> None:
    rows = np.array([[5.0, 5.0, -4.5], [5.0, 5.0, 5.0], [1e300, -1e300, 1e300]])
    found = run_graph(compiled(training), rows)
    assert found["is_anomaly"].tolist() == [False, True, True]
    assert found["raw_score"][1:] == pytest.approx([1.0, 1.0])


def compiled(training: NDArray[np.float64]) -> onnx.ModelProto:
    estimator = create_estimator(get_algorithm("CD"), {}, 0.05, seed=0).fit(training)
    return compile_detector(estimator, "CD", training).model


@pytest.mark.parametrize(
    ("slope", "constant", "own_row", "message"),
    [
        (0.0, 3.0, 0.0, "column 1 is constant: leave it out"),
        (2.0, 1.0, 0.0, "the other columns determine column . but for rounding: leave it out"),
        (0.0, 0.0, 1.0, "row 17 alone decides the regression of column"),
    ],
    ids=["constant", "determined", "a-row-of-its-own"],
)
def test_columns_that_a_regression_cannot_bear_are_refused(
    slope: float, constant: float, own_row: float, message: str, training: NDArray[np.float64]
) -> None:
    training[:, 1] = slope * training[:, 0] + constant
    training[17, 1] += own_row
    with pytest.raises(ValueError, match=message):
        CD().fit(training)


@pytest.mark.parametrize("scale", [1e-200, 1e200], ids=["tiny", "huge"])
def test_numbers_that_cannot_be_squared_are_refused_by_column(scale: float, training: NDArray[np.float64]) -> None:
    training = training.copy()
    training[:, 1] *= scale
    with pytest.raises(ValueError, match="column 1 has numbers too large or too small to be squared"):
        CD().fit(training)


def test_more_values_than_can_be_compared_with_each_row_are_refused() -> None:
    with pytest.raises(ValueError, match="all 5,000,002 training values; at most 5,000,000 do"):
        CD().fit(np.zeros((2_500_001, 2)))


@pytest.mark.parametrize(
    ("shape", "message"),
    [((30, 1), "there is only one"), ((4, 4), "4 rows leave nothing of a regression on 4 columns")],
    ids=["one-column", "few-rows"],
)
def test_tables_of_too_few_columns_or_rows_are_refused(shape: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CD().fit(np.random.default_rng(0).normal(size=shape))
