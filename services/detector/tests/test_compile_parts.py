"""The pieces graphs are made of: step functions, histograms, frozen tails, calibration."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from detector_service.compile import compile_detector, run_graph
from detector_service.compile.calibration import MAX_KNOTS, add_tail, calibrate
from detector_service.compile.copod import copula_steps
from detector_service.compile.ecod import tail_steps
from detector_service.compile.floats import last_float_where
from detector_service.compile.forest import average_path_length
from detector_service.compile.graph import INPUT, OUTPUTS, Graph
from detector_service.compile.skewness import doubtful_intervals, symmetric_intervals, zero_skew_columns
from detector_service.compile.trees import StepFunction, add_tree_ensemble, balanced_tree
from detector_service.evaluation.thresholds import rounding
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto
from onnx.utils import Extractor
from pyod.models.base import BaseDetector
from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from pyod.models.hbos import HBOS
from pyod.models.mcd import MCD


def run_steps(step: StepFunction, values: NDArray[np.float64]) -> NDArray[np.float64]:
    graph = Graph(1)
    raw = add_tree_ensemble(graph, INPUT, [balanced_tree(step, 0)])
    graph.add_named(("f",), "Squeeze", raw, graph.constant([1], np.int64))
    return run_graph(graph.model({"f": TensorProto.DOUBLE}), values.reshape(-1, 1))["f"]


@pytest.mark.parametrize("n_cuts", [0, 1, 2, 3, 7, 8, 1000])
def test_a_balanced_tree_is_its_step_function_on_both_sides_of_every_cut(n_cuts: int) -> None:
    rng = np.random.default_rng(n_cuts)
    step = StepFunction(np.sort(rng.normal(size=n_cuts)), rng.integers(-9, 9, n_cuts + 1).astype(np.float64))
    values = np.concatenate(
        (step.cuts, np.nextafter(step.cuts, np.inf), np.nextafter(step.cuts, -np.inf), [-1e300, 1e300])
    )
    expected = step.values[np.searchsorted(step.cuts, values, "left")]
    np.testing.assert_array_equal(run_steps(step, values), expected)
    merged = step.merged()
    np.testing.assert_array_equal(merged.values[np.searchsorted(merged.cuts, values, "left")], expected)


def test_cuts_one_float64_apart_are_told_apart() -> None:
    above = np.nextafter(1e6, np.inf)
    step = StepFunction(np.array([1e6, above]), np.array([1.0, 2.0, 3.0]))
    values = np.array([1e6, above, np.nextafter(above, np.inf)])
    np.testing.assert_array_equal(run_steps(step, values), [1, 2, 3])


@pytest.mark.parametrize(("edge", "reach"), [(0.5, 0.5), (0.0, 1.0), (-3.0, 1e-9), (1e6, 0.05), (1e-300, 1.0)])
def test_the_border_of_a_rounded_comparison_is_found_to_the_last_bit(edge: float, reach: float) -> None:
    border = last_float_where(lambda x: edge - x > reach, -1e308, edge)
    assert edge - border > reach
    assert edge - np.nextafter(border, np.inf) <= reach


def test_average_path_length_is_that_of_liu_ting_and_zhou() -> None:
    lengths = average_path_length(np.array([0, 1, 2, 3, 256]))
    np.testing.assert_allclose(lengths[:3], [0, 0, 1])
    assert lengths[3] == pytest.approx(2 * (np.log(2) + np.euler_gamma) - 4 / 3)
    assert lengths[4] == pytest.approx(10.244770920116)


@pytest.mark.parametrize(
    ("column", "centre"),
    [([1.0, 2.0, 3.0, 4.0], 2.5), ([-1.0, 1.0], 0.0), ([0.0, 0.0, 1.0], -1.0), ([1e6, 1e6 + 3], 1e6 + 6)],
)
def test_points_that_complete_a_column_to_symmetry_score_as_stock_ecod_scores_them(
    column: list[float], centre: float
) -> None:
    training = np.array(column)[:, np.newaxis]
    intervals = symmetric_intervals(training)[0]
    assert any(low <= centre <= high for low, high in intervals)
    step = tail_steps(training[:, 0], intervals, zero_skew=False)
    detector = ECOD().fit(training)
    probes = np.array([centre, np.nextafter(centre, np.inf), centre + 0.25, *column])
    stock = [detector.decision_function(np.array([[x]]))[0] for x in probes]
    np.testing.assert_allclose(run_steps(step, probes), stock, rtol=1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("values", [[1, 2, 3, 4], [-1, 1], [0, 0, 1], [0, 3, 4, 4.5, 5], [2, 2, 2]])
def test_the_tail_that_copod_takes_changes_where_stock_copod_changes_it(values: list[float], offset: float) -> None:
    training = np.array(values, np.float64)[:, np.newaxis] + offset
    step = copula_steps(training[:, 0], doubtful_intervals(training)[0], zero_skew=bool(zero_skew_columns(training)[0]))
    detector = COPOD().fit(training)
    probes = np.concatenate((np.linspace(-8, 12, 81) + offset, training[:, 0]))
    stock = [detector.decision_function(np.array([[x]]))[0] for x in probes]
    np.testing.assert_allclose(run_steps(step, probes), stock, rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-130, 1e130])
def test_a_column_whose_third_moment_leaves_float64_scores_as_in_stock_ecod(scale: float) -> None:
    training = np.random.default_rng(0).normal(size=(30, 1)) * scale
    flat = zero_skew_columns(training)
    assert flat[0]
    step = tail_steps(training[:, 0], [], zero_skew=True)
    probes = np.linspace(-3, 3, 9) * scale
    with np.errstate(all="ignore"):
        detector = ECOD().fit(training)
        stock = [detector.decision_function(np.array([[x]]))[0] for x in probes]
    np.testing.assert_allclose(run_steps(step, probes), stock, rtol=1e-12)


def test_a_distance_that_stock_mcd_loses_below_zero_is_zero() -> None:
    training = np.column_stack((np.arange(12.0), np.arange(12.0) * 3))
    detector = MCD(random_state=0).fit(training)
    rows = np.concatenate((training, detector.location_[np.newaxis]))
    scores = run_graph(compile_detector(detector, "MCD", training).model, rows)["raw_score"]
    assert (scores >= 0).all()
    assert scores[-1] == 0


class Given(BaseDetector):  # type: ignore[misc]  # PyOD is untyped
    """A detector whose score is the row's only value: PyOD's confidence for given scores."""

    def __init__(self, contamination: float = 0.1) -> None:
        super().__init__(contamination=contamination)

    def fit(self, X: NDArray[np.float64], y: None = None) -> "Given":
        self._set_n_classes(y)
        self.decision_scores_ = X[:, 0]
        self._process_decision_scores()
        return self

    def decision_function(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return X[:, 0]


def run_tail(
    training_scores: NDArray[np.float64], scores: NDArray[np.float64], **threshold: Any
) -> dict[str, NDArray[np.float64]]:
    graph = Graph(1)
    raw = graph.add("Identity", INPUT)
    graph.add_named(("raw_score",), "Squeeze", raw, graph.constant([1], np.int64))
    add_tail(graph, raw, calibrate(training_scores, 0.1, **threshold))
    return run_graph(graph.model(OUTPUTS), scores.reshape(-1, 1))


@pytest.mark.parametrize("n_train", [2, 10, 500, 20_000])
def test_calibration_is_pyods_confidence_and_a_monotone_position(n_train: int) -> None:
    rng = np.random.default_rng(n_train)
    training_scores = np.round(rng.gamma(2.0, size=n_train), 6)
    scores = np.sort(np.concatenate((rng.choice(training_scores, 200), rng.gamma(2.0, size=200), [-1.0, 100.0])))
    ours = run_tail(training_scores, scores)
    reference = Given().fit(training_scores[:, np.newaxis]).predict_confidence(scores[:, np.newaxis])
    exact = len(np.unique(training_scores)) <= MAX_KNOTS
    np.testing.assert_allclose(ours["confidence"], reference, atol=1e-9 if exact else 2 / (MAX_KNOTS - 2))
    assert (np.diff(ours["prediction"]) >= 0).all()
    position = np.searchsorted(np.sort(training_scores), scores) / n_train
    np.testing.assert_allclose(ours["prediction"], position, atol=1.5 / n_train + 2 / (MAX_KNOTS - 2))


@given(
    st.lists(st.one_of(st.floats(-1e300, 1e300), st.integers(0, 3).map(float)), min_size=2, max_size=30),
    st.lists(st.one_of(st.floats(-1e307, 1e307), st.integers(0, 3).map(float)), max_size=10),
)
@settings(max_examples=60, deadline=None)
def test_a_prediction_stays_within_0_and_1_and_never_falls_from_one_float_to_the_next(
    training: list[float], others: list[float]
) -> None:
    centres = np.array([*training, *others])
    spread = float(np.subtract(*np.quantile(training, (0.75, 0.25))))
    borders = np.concatenate([centres + sign * rounding(centres, spread) for sign in (-1, 0, 1)])
    scores = np.concatenate((borders, np.nextafter(borders, np.inf), np.nextafter(borders, -np.inf)))
    found = run_tail(np.array(training), np.sort(scores[np.isfinite(scores)]))["prediction"]
    assert (np.diff(found) >= 0).all()
    assert found.min() >= 0
    assert found.max() <= 1


def test_confidence_costs_three_nodes_beside_the_score_and_none_that_searches() -> None:
    training = np.random.default_rng(0).normal(size=(50, 3))
    model = compile_detector(HBOS().fit(training), "HBOS", training).model
    scored = Extractor(model).extract_model([INPUT], [name for name in OUTPUTS if name != "confidence"])
    beside = Counter(node.op_type for node in model.graph.node)
    beside.subtract(Counter(node.op_type for node in scored.graph.node))
    assert +beside == Counter({"Gather": 1, "Sub": 1, "Where": 1})


def test_confidence_follows_a_threshold_that_was_set_otherwise_than_by_contamination() -> None:
    training_scores = np.random.default_rng(3).gamma(2.0, size=400)
    threshold = float(np.sort(training_scores)[-21])
    ours = run_tail(training_scores, training_scores, fixed_threshold=threshold, n_flagged=20)
    detector = Given(contamination=0.05).fit(training_scores[:, np.newaxis])
    assert ours["is_anomaly"].sum() == 20
    np.testing.assert_array_equal(ours["is_anomaly"], detector.labels_ == 1)
    np.testing.assert_allclose(ours["confidence"], detector.predict_confidence(training_scores[:, np.newaxis]))


def test_a_large_training_set_is_calibrated_by_at_most_4096_knots() -> None:
    assert len(calibrate(np.random.default_rng(0).normal(size=50_000), 0.05).borders) <= MAX_KNOTS


def test_rows_that_tie_with_the_threshold_are_inliers_even_when_rounding_lifts_them() -> None:
    training_scores = np.repeat([0.1, 0.7, 0.9], [20, 75, 5])
    lifted = np.nextafter(0.7, 1.0)
    ours = run_tail(training_scores, np.array([0.1, 0.7, lifted, 0.8, 0.9]))
    assert ours["is_anomaly"].tolist() == [False, False, False, True, True]
    assert ours["prediction"][1] == pytest.approx(0.575)


def test_equal_training_scores_put_every_row_in_the_middle_or_at_it() -> None:
    ours = run_tail(np.full(10, 3.0), np.array([2.0, 3.0, 4.0]))
    np.testing.assert_array_equal(ours["prediction"], [0.5, 0.5, 0.5])
    assert ours["is_anomaly"].tolist() == [False, False, True]
