"""What labels add to a training that never sees them."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from detector_service.compile import run_graph
from detector_service.domain import Unfit
from detector_service.evaluation.metrics import BoolVector
from detector_service.evaluation.supervision import Supervision, supervise
from detector_service.evaluation.thresholds import Target
from detector_service.training.fit import TrainedDetector, fit_detector
from detector_service.training.request import FitRequest
from numpy.typing import NDArray
from pynomaly_scoring import Manifest

REQUEST = FitRequest(
    algorithm="HBOS",
    parameters={},
    contamination=0.2,
    seed=4,
    feature_names=("a", "b"),
    dataset_id="0197-data",
    dataset_version="1",
)


def labelled() -> tuple[NDArray[np.float64], BoolVector]:
    """400 rows, of which 40 are anomalies, most of them far out."""
    labels = np.arange(400) < 40
    random = np.random.default_rng(8)
    return random.normal(size=(400, 2)) + random.normal(3.5, 1.5, size=(400, 1)) * labels[:, np.newaxis], labels


def ignore_stage(stage: str, progress: float) -> None:
    """Progress that nobody watches."""


def trained(supervision: Supervision, **changes: Any) -> TrainedDetector:
    return fit_detector(replace(REQUEST, **changes), labelled()[0], ignore_stage, supervision)


def test_labels_give_figures_with_intervals_and_leave_the_model_as_it_is() -> None:
    blind, seeing = trained(Supervision()), trained(supervise(labelled()[1], "label", None, seed=4))
    assert seeing.model == blind.model
    assert blind.manifest.metrics == {}
    metrics = seeing.manifest.metrics
    assert metrics["n_anomalies"] == 40
    low, high = metrics["intervals"]["roc_auc"]
    assert 0.5 < low < metrics["roc_auc"] < high < 1
    assert set(metrics["intervals"]) == set(metrics) - {"n_anomalies", "intervals"}
    again = Manifest.from_json(seeing.manifest.to_json())
    assert again.threshold_interval == seeing.manifest.threshold_interval
    assert again.metrics["roc_auc"] == metrics["roc_auc"]


def test_a_threshold_by_contamination_lies_between_order_statistics_of_the_training_scores() -> None:
    manifest = trained(Supervision()).manifest
    assert manifest.threshold_interval is not None
    low, high = manifest.threshold_interval
    assert low < manifest.threshold < high


def test_a_threshold_that_is_a_parameter_or_of_few_rows_has_no_interval() -> None:
    assert trained(Supervision(), contamination=0.001).manifest.threshold_interval is None
    rows = labelled()[0][:, :1]
    wanted = replace(REQUEST, algorithm="MAD", feature_names=("a",))
    assert fit_detector(wanted, rows, ignore_stage).manifest.threshold_interval is None


@pytest.mark.parametrize("target", [Target("precision", 0.9), Target("false_alarm_rate", 0.01)], ids=lambda t: t.method)
@pytest.mark.parametrize("algorithm", ["HBOS", "KNN"])
def test_a_target_sets_the_threshold_of_the_graph_its_confidence_and_its_manifest(
    algorithm: str, target: Target
) -> None:
    rows, labels = labelled()
    found = trained(supervise(labels, "label", target, seed=4), algorithm=algorithm)
    metrics, manifest = found.manifest.metrics, found.manifest
    kept = metrics["precision"] >= 0.9 if target.method == "precision" else metrics["false_alarm_rate"] <= 0.01
    assert kept
    assert metrics["recall"] > 0.25
    assert manifest.threshold_interval is not None
    assert manifest.threshold_interval[0] <= manifest.threshold <= manifest.threshold_interval[1]
    ours = run_graph(onnx.load_from_string(found.model), rows)
    np.testing.assert_array_equal(ours["is_anomaly"], ours["raw_score"] > manifest.threshold)
    order = np.argsort(ours["raw_score"])
    inliers = ours["confidence"][order][~ours["is_anomaly"][order]]
    assert (np.diff(inliers) <= 0).all()  # less sure the nearer to the threshold
    assert (ours["confidence"][order][[0, -1]] > 0.9).all()


def test_contamination_changes_no_verdict_where_a_target_sets_the_threshold() -> None:
    by_target = supervise(labelled()[1], "label", Target("precision", 0.9), seed=4)
    first, second = (trained(by_target, contamination=contamination) for contamination in (0.01, 0.4))
    assert first.model == second.model
    assert (first.manifest.threshold, first.n_anomalies) == (second.manifest.threshold, second.n_anomalies)


def test_a_target_sets_the_threshold_even_where_the_algorithm_has_one_of_its_own() -> None:
    rows, labels = labelled()
    wanted = replace(REQUEST, algorithm="MAD", feature_names=("a",))
    supervision = supervise(labels, "label", Target("false_alarm_rate", 0.05), seed=4)
    found = fit_detector(wanted, rows[:, :1], ignore_stage, supervision)
    assert found.manifest.threshold != 3.5
    assert found.manifest.metrics["false_alarm_rate"] <= 0.05


@pytest.mark.parametrize(("value", "words"), [(False, "labels normal rows only"), (True, "labels anomalies only")])
def test_labels_of_one_kind_are_refused(value: bool, words: str) -> None:
    with pytest.raises(Unfit, match=words):
        supervise(np.full(9, value), "label", Target("precision", 0.9), seed=0)


def test_a_target_without_labels_is_refused() -> None:
    with pytest.raises(Unfit, match="a threshold by precision needs labels") as refused:
        trained(Supervision(target=Target("precision", 0.9)))
    assert refused.value.refusals[0].field == "threshold.method"
