"""Batches scored against themselves: stock PyOD's answers, and plain refusals of what it has none for."""

from typing import Any

import numpy as np
import pytest
from detector_service.algorithms import BATCH, create_estimator, get_algorithm
from detector_service.domain import Unfit
from detector_service.features import SourceColumn
from detector_service.training.itself import positions, score_itself
from detector_service.training.request import FitRequest
from numpy.typing import NDArray
from pynomaly_scoring import Rows

NAMES = ("a", "b", "c", "d")


def asked(algorithm: str, parameters: dict[str, Any] | None = None, **fields: Any) -> FitRequest:
    names = fields.pop("feature_names", NAMES)
    return FitRequest(
        algorithm=algorithm,
        parameters=parameters or {},
        contamination=0.1,
        seed=3,
        feature_names=names,
        dataset_id="d",
        dataset_version="1",
        **fields,
    )


@pytest.fixture
def table() -> NDArray[np.float64]:
    rows = np.random.default_rng(1).normal(size=(60, 4))
    rows[:2] += 6
    return rows


@pytest.mark.parametrize("name", BATCH)
def test_a_batch_has_the_scores_and_labels_that_stock_pyod_gives_what_it_was_fitted_on(
    name: str, table: NDArray[np.float64], capfd: pytest.CaptureFixture[str]
) -> None:
    ours = score_itself(asked(name), Rows(table))
    stock = create_estimator(get_algorithm(name), {}, 0.1, seed=3).fit(table)
    np.testing.assert_array_equal(ours.raw_score, stock.decision_scores_)
    np.testing.assert_array_equal(ours.is_anomaly, stock.labels_ == 1)
    assert ((ours.prediction > 0) & (ours.prediction < 1)).all()
    np.testing.assert_array_equal(np.argsort(ours.prediction, kind="stable"), np.argsort(ours.raw_score, kind="stable"))
    assert capfd.readouterr().out == ""


def test_a_position_is_the_share_below_and_half_of_the_equal() -> None:
    found = positions(np.array([3.0, 1.0, 2.0, 2.0, 9.0]))
    np.testing.assert_allclose(found, [0.7, 0.1, 0.4, 0.4, 0.9])


@pytest.mark.parametrize("name", sorted(set(BATCH) - {"SOD"}))
@pytest.mark.parametrize(
    "rows", [[[1, 2, 3, 4], [2, 1, 0, 5]], [[1e30, 0, 0, 1], [0, 1e30, 1, 0], [0, 0, 0, 0]]], ids=["two-rows", "huge"]
)
def test_a_few_rows_of_any_size_are_scored(name: str, rows: list[list[float]]) -> None:
    taken = np.minimum(np.array(rows, np.float64), 1e9 if name == "ROD" else np.inf)
    scores = score_itself(asked(name), Rows(taken))
    assert np.isfinite(scores.raw_score).all()


@pytest.mark.parametrize(
    ("name", "n_rows", "words"),
    [
        ("SOD", 20, "SOD cannot be fitted to this data with these parameters: Expected n_neighbors < n_samples_fit"),
        ("SOS", 30, "SOS gives no finite score on this data: .* Constant here: a, b, c, d"),
    ],
    ids=["no-neighbours", "no-distances"],
)
def test_a_batch_that_stock_pyod_has_no_answer_for_is_refused_in_words(name: str, n_rows: int, words: str) -> None:
    with pytest.raises(Unfit, match=words):
        score_itself(asked(name), Rows(np.ones((n_rows, 4))))


def test_raw_columns_go_through_the_same_preprocessing_as_for_a_model(table: NDArray[np.float64]) -> None:
    texts = np.array([["red"], ["blue"]] * 30, dtype=np.object_)
    columns = (
        SourceColumn(name="x", missing="median"),
        SourceColumn(name="colour", type="string", categories="onehot"),
    )
    numeric = table[:, :1].copy()
    numeric[5] = np.nan
    scores = score_itself(asked("COF", feature_names=("x", "colour"), columns=columns), Rows(numeric, texts))
    assert np.isfinite(scores.raw_score).all()


@pytest.mark.parametrize(
    ("algorithm", "n_rows", "n_features", "words"),
    [
        ("LOCI", 301, 4, "LOCI compares every row with every other: it takes at most 300 rows, and these are 301"),
        ("ROD", 50, 16, "ROD looks at every triple of features: it takes at most 15 of them, and these are 16"),
    ],
    ids=["rows", "features"],
)
def test_more_than_an_algorithm_can_do_is_refused_with_the_figure(
    algorithm: str, n_rows: int, n_features: int, words: str
) -> None:
    names = tuple(map(str, range(n_features)))
    with pytest.raises(Unfit, match=words):
        score_itself(asked(algorithm, feature_names=names), Rows(np.ones((n_rows, n_features))))


def test_numbers_among_which_a_median_is_never_found_are_refused_with_what_to_set(table: NDArray[np.float64]) -> None:
    with pytest.raises(Unfit, match=r"ROD takes numbers up to 1e\+09, .* preprocessing.scaling"):
        score_itself(asked("ROD"), Rows(table + 1e12))


def test_parameters_that_do_not_go_together_are_refused(table: NDArray[np.float64]) -> None:
    with pytest.raises(Unfit, match="SOD: ref_set is set to 20"):
        score_itself(asked("SOD", {"n_neighbors": 5, "ref_set": 20}), Rows(table))
