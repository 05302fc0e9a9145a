"""Training on raw columns: what the model says of itself, and that its scores are PyOD's of what they become."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from detector_service.compile import run_graph
from detector_service.domain import Unfit
from detector_service.features import SourceColumn
from detector_service.training.fit import TrainedDetector, data_digest, fit_detector, tolerance
from detector_service.training.request import FitRequest
from numpy.typing import NDArray
from pynomaly_scoring import Manifest, Rows

RAW = (
    SourceColumn(name="amount", missing="indicator", scaling="robust"),
    SourceColumn(name="member", type="boolean", missing="median"),
    SourceColumn(name="city", type="string", missing="median"),
    SourceColumn(name="seen", type="datetime", missing="median", scaling="standard"),
    SourceColumn(name="shop", type="string", categories="frequency"),
    SourceColumn(name="age", scaling="quantile"),
)


def mixed_rows(n_rows: int = 200) -> Rows:
    """With a missing value in each column that may lack some."""
    random = np.random.default_rng(5)
    moments = random.integers(1_500_000_000, 1_800_000_000, n_rows)
    numeric = np.column_stack(
        [random.lognormal(size=n_rows), random.integers(0, 2, n_rows), moments, random.normal(40, 9, n_rows)]
    )
    numeric[[1, 2, 3], [0, 1, 2]] = np.nan
    text = np.column_stack(
        [random.choice(["Oslo", "\u00c5s", "Bod\u00f8"], n_rows), random.choice(list("abcde"), n_rows)]
    )
    text = text.astype(np.object_)
    text[4, 0] = ""
    return Rows(numeric, text)


def request(algorithm: str, columns: tuple[SourceColumn, ...] = RAW) -> FitRequest:
    return FitRequest(
        algorithm=algorithm,
        parameters={},
        contamination=0.1,
        seed=4,
        feature_names=tuple(column.name for column in columns),
        dataset_id="0197-data",
        dataset_version="1",
        columns=columns,
        preprocessing={"missing": "median"},
    )


def ignore_stage(stage: str, progress: float) -> None:
    """Progress that nobody watches."""


def scored(trained: TrainedDetector, rows: Rows) -> dict[str, NDArray[Any]]:
    return run_graph(onnx.load_from_string(trained.model), rows)


@pytest.mark.parametrize("algorithm", ["COPOD", "ECOD", "HBOS", "IForest", "KNN", "LODA", "LOF", "OCSVM"])
def test_mixed_rows_are_scored_as_pyod_scores_what_they_become_and_each_alone_as_in_a_batch(algorithm: str) -> None:
    rows = mixed_rows()
    trained = fit_detector(request(algorithm), rows, ignore_stage)
    assert 0 <= trained.parity < 1e-3
    together = scored(trained, rows)
    spread = tolerance(together["raw_score"], together["raw_score"]) / 10
    for number in range(0, 40, 3):
        alone = scored(trained, rows.part(number, number + 1))
        assert abs(alone["raw_score"][0] - together["raw_score"][number]) <= spread[number]
        assert alone["is_anomaly"][0] == together["is_anomaly"][number]


def test_a_model_of_mixed_rows_says_what_it_takes_and_what_becomes_of_it() -> None:
    manifest = fit_detector(request("KNN"), mixed_rows(), ignore_stage).manifest
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert manifest.n_reference == 200
    assert [(column.name, column.type, column.accepts_missing) for column in manifest.columns] == [
        ("amount", "number", True),
        ("member", "boolean", True),
        ("city", "string", True),
        ("seen", "datetime", True),
        ("shop", "string", False),
        ("age", "number", False),
    ]
    assert manifest.columns[4].categories == ("a", "b", "c", "d", "e")
    assert manifest.preprocessing["settings"] == {"missing": "median"}
    features = manifest.preprocessing["features"]
    assert features[:3] == ["amount", "amount missing", "member"]
    assert features[-2:] == ["shop frequency", "age"]
    assert "city=Oslo" in features
    assert manifest.preprocessing["columns"]["shop"]["categories"] == "frequency"


def test_the_same_mixed_rows_give_the_same_model_and_a_changed_text_another_digest() -> None:
    first, second = (fit_detector(request("HBOS"), mixed_rows(), ignore_stage) for _ in range(2))
    assert first == second
    names, changed = tuple(column.name for column in RAW), mixed_rows()
    assert first.manifest.data_digest == data_digest(changed, names)
    assert changed.text is not None
    changed.text[7, 1] = "f"
    assert first.manifest.data_digest != data_digest(changed, names)


def test_texts_alone_are_enough_to_train_on_and_an_unknown_one_is_far_from_all() -> None:
    texts = np.array([["x"], ["y"]] * 50, dtype=np.object_)
    wanted = request("KNN", (SourceColumn(name="city", type="string"),))
    trained = fit_detector(wanted, Rows(np.empty((100, 0)), texts), ignore_stage)
    new = Rows(np.empty((3, 0)), np.array([["x"], ["new"], ["y"]], dtype=np.object_))
    assert scored(trained, new)["raw_score"].argmax() == 1
    assert scored(trained, new)["is_anomaly"].tolist() == [False, True, False]


def test_texts_that_leave_an_algorithm_a_constant_feature_are_refused_with_what_to_set() -> None:
    with pytest.raises(Unfit, match=r"Constant here: city=other\. Of texts, preprocessing\.categories as frequency"):
        fit_detector(request("PCA"), mixed_rows(), ignore_stage)


def test_projections_of_categories_on_a_cut_are_nobodys_deviation() -> None:
    columns = (
        SourceColumn(name="amount", missing="indicator", scaling="robust"),
        SourceColumn(name="city", type="string"),
        SourceColumn(name="seen", type="date"),
    )
    random, n_rows = np.random.default_rng(5), 150
    numeric = np.column_stack([random.lognormal(size=n_rows), random.integers(0, 365, n_rows) * 86_400.0])
    numeric[3, 0] = np.nan
    text = random.choice(["Oslo", "As", "Bodo"], n_rows)[:, np.newaxis].astype(np.object_)
    for seed in range(4):
        wanted = replace(request("LODA", columns), seed=seed)
        assert fit_detector(wanted, Rows(numeric, text), ignore_stage).parity < 1e-3


def test_distances_that_pyod_takes_from_products_beyond_15_features_are_nobodys_deviation() -> None:
    assert fit_detector(request("HDBSCAN"), mixed_rows(300), ignore_stage).parity < 1e-3
