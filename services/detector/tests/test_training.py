"""From rows to a model that may be registered, or a refusal that says what to change."""

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from detector_service.algorithms import ALGORITHMS, InvalidParameter, UnknownAlgorithm, create_estimator, get_algorithm
from detector_service.compile import compile_detector, run_graph
from detector_service.domain import Unfit
from detector_service.training.fit import CompileMismatch, data_digest, fit_detector, verify
from detector_service.training.request import FitRequest
from numpy.typing import NDArray
from pynomaly_scoring import Manifest
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no stubs


def request(algorithm: str = "IForest", **parameters: Any) -> FitRequest:
    return FitRequest(
        algorithm=algorithm,
        parameters=parameters,
        contamination=0.1,
        seed=4,
        feature_names=("a", "b", "c"),
        dataset_id="0197-data",
        dataset_version="1",
    )


def table(n_rows: int = 120) -> NDArray[np.float64]:
    return np.random.default_rng(1).normal(size=(n_rows, 3))


def columns_for(algorithm: str, features: NDArray[np.float64]) -> NDArray[np.float64]:
    """MAD takes one column."""
    return features[:, :1] if algorithm == "MAD" else features


def request_for(algorithm: str, features: NDArray[np.float64], **parameters: Any) -> FitRequest:
    names = ("a", "b", "c")[: features.shape[1]]
    return replace(request(algorithm, **parameters), feature_names=names)


def ignore_stage(stage: str, progress: float) -> None:
    """Progress that nobody watches."""


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_training_gives_a_graph_its_manifest_and_how_near_it_is_to_pyod(algorithm: str) -> None:
    features = columns_for(algorithm, table())
    trained = fit_detector(request_for(algorithm, features), features, ignore_stage)
    manifest = trained.manifest
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert (manifest.algorithm, manifest.n_features, manifest.n_train) == (algorithm, features.shape[1], 120)
    assert dict(manifest.parameters) == get_algorithm(algorithm).defaults
    assert (manifest.dataset_id, manifest.dataset_version, manifest.seed) == ("0197-data", "1", 4)
    assert set(manifest.versions) == {"pynomaly", "pyod", "sklearn", "numpy", "onnx", "python"}
    ours = run_graph(onnx.load_from_string(trained.model), features)
    np.testing.assert_array_equal(ours["is_anomaly"], ours["raw_score"] > manifest.threshold)
    assert trained.n_anomalies == {"HDBSCAN": 0, "MAD": 1}.get(algorithm, 12)  # ties at the top; a fixed threshold
    assert 0 <= trained.parity < 1e-3


def test_the_same_request_gives_the_same_model_and_manifest() -> None:
    first, second = (fit_detector(request(), table(), ignore_stage) for _ in range(2))
    assert first == second
    other = fit_detector(replace(request(), seed=5), table(), ignore_stage)
    assert other.model != first.model


def test_clusters_are_the_same_to_the_last_bit_however_many_threads_there_may_be() -> None:
    features = table(4000)
    with threadpool_limits(4, "openmp"):
        first, second = (fit_detector(request("CBLOF", alpha=0.5), features, ignore_stage) for _ in range(2))
    assert first.model == second.model == fit_detector(request("CBLOF", alpha=0.5), features, ignore_stage).model


def test_progress_names_each_stage_and_ends_at_1() -> None:
    stages: list[tuple[str, float]] = []
    fit_detector(request("HBOS"), table(), lambda stage, progress: stages.append((stage, progress)))
    assert [stage for stage, _ in stages] == ["fit", "compile", "verify", "done"]
    assert [progress for _, progress in stages] == sorted(progress for _, progress in stages)
    assert stages[-1] == ("done", 1.0)


def test_the_digest_is_of_names_and_values_in_whatever_memory_layout() -> None:
    features = table()
    digest = data_digest(features, ("a", "b", "c"))
    assert data_digest(np.asfortranarray(features), ("a", "b", "c")) == digest
    assert data_digest(features, ("a", "b", "d")) != digest
    assert data_digest(features + 1e-12, ("a", "b", "c")) != digest


@pytest.mark.parametrize(
    ("change", "field", "sentence"),
    [
        ({"contamination": 0.0}, "contamination", "above 0 and at most 0.5"),
        ({"contamination": 0.6}, "contamination", "above 0 and at most 0.5"),
        ({"contamination": float("nan")}, "contamination", "above 0 and at most 0.5"),
        ({"seed": -1}, "seed", r"0\.\."),
        ({"algorithm": "KNN", "parameters": {"n_neighbors": 120}}, "parameters.n_neighbors", "only 119 others"),
        ({"algorithm": "PCA", "parameters": {"n_components": 4}}, "parameters.n_components", "at most 3 components"),
        ({"parameters": {"max_samples": 0.01}}, "parameters.max_samples", "raise it"),
    ],
)
def test_a_request_that_asks_for_too_much_is_refused_with_what_to_change(
    change: dict[str, Any], field: str, sentence: str
) -> None:
    with pytest.raises(Unfit, match=sentence) as refused:
        fit_detector(replace(request(), **change), table(), ignore_stage)
    assert refused.value.refusals[0].field == field


def test_one_row_is_refused() -> None:
    with pytest.raises(Unfit, match="at least 2 rows; the data has 1"):
        fit_detector(request(), table(1), ignore_stage)


def test_no_numeric_column_is_refused() -> None:
    with pytest.raises(Unfit, match="no numeric column"):
        fit_detector(replace(request(), feature_names=()), np.empty((5, 0)), ignore_stage)


@pytest.mark.parametrize(("value", "what"), [(np.nan, "missing"), (-np.inf, "infinite")])
def test_a_value_that_is_not_finite_is_refused_by_column_and_first_row(value: float, what: str) -> None:
    features = table()
    features[[7, 9], 1] = value
    with pytest.raises(Unfit, match=f"column 'b' has an? {what} value, first in row 8") as refused:
        fit_detector(request(), features, ignore_stage)
    assert refused.value.refusals[0].field == "b"


def test_data_on_which_pyod_has_no_finite_score_is_refused() -> None:
    features = table()
    features[:, 2] = 1.0
    with pytest.raises(Unfit, match=r"PCA gives no finite score on this data: columns that are .*Constant here: c$"):
        fit_detector(request("PCA"), features, ignore_stage)


def test_data_that_pyod_cannot_fit_is_refused_in_its_words() -> None:
    features = table()
    features[:, 2] = 1e300
    with pytest.raises(Unfit, match="HBOS cannot be fitted to this data with these parameters: Too many bins"):
        fit_detector(request("HBOS"), features, ignore_stage)


def test_unknown_algorithms_and_parameters_are_refused() -> None:
    with pytest.raises(UnknownAlgorithm):
        fit_detector(request("Magic"), table(), ignore_stage)
    with pytest.raises(InvalidParameter):
        fit_detector(request("KNN", k=3), table(), ignore_stage)


FOR_TWO_ROWS: dict[str, dict[str, Any]] = {
    "AutoEncoder": {"batch_size": 2},
    "Combination": {"detectors": ["HBOS", "ECOD"]},
    "HDBSCAN": {"min_cluster_size": 2},
    "KNN": {"n_neighbors": 1},
    "LOF": {"n_neighbors": 1},
    "LUNAR": {"n_neighbours": 1},
    "Sampling": {"subset_size": 1},
    "VAE": {"batch_size": 2},
}


@pytest.mark.parametrize("algorithm", sorted(set(ALGORITHMS) - {"ABOD", "CBLOF", "CD", "DeepSVDD", "PCA"}))
def test_two_identical_rows_are_enough_and_neither_is_an_anomaly(algorithm: str) -> None:
    features = columns_for(algorithm, np.ones((2, 3)))
    wanted = request_for(algorithm, features, **FOR_TWO_ROWS.get(algorithm, {}))
    assert fit_detector(wanted, features, ignore_stage).n_anomalies == 0


@pytest.mark.parametrize("algorithm", ["ABOD", "CBLOF", "CD", "PCA"])
def test_two_identical_rows_are_refused_where_pyod_makes_nothing_of_them(algorithm: str) -> None:
    with pytest.raises(Unfit, match=algorithm):
        fit_detector(request(algorithm), np.ones((2, 3)), ignore_stage)


def test_lof_uses_all_other_rows_where_there_are_fewer_than_its_neighbours() -> None:
    assert fit_detector(request("LOF", n_neighbors=20), table(8), ignore_stage).parity < 1e-3


TIED = [(name, scale) for name in sorted(ALGORITHMS) for scale in (1e-9, 1e6) if name != "ABOD"]


@pytest.mark.parametrize(("algorithm", "scale"), [case for case in TIED if case != ("MCD", 1e-9)])
def test_whole_numbers_far_from_zero_with_many_ties_are_trained_on(algorithm: str, scale: float) -> None:
    drawn = np.random.default_rng(2).integers(7, 11, (300, 3)).astype(np.float64) * scale
    features = columns_for(algorithm, drawn)
    trained = fit_detector(request_for(algorithm, features), features, ignore_stage)
    assert trained.n_anomalies <= 30


@pytest.mark.parametrize(
    ("algorithm", "values", "field", "sentence"),
    [
        ("ABOD", [1.0, 2.0] * 60, "dataset_id", "ABOD gives no finite score on this data"),
        ("MAD", [0.0] * 90 + [1.0] * 30, "dataset_id", "MAD gives no finite score on this data"),
        ("Combination", [1.0] * 120, "dataset_id", "PCA gives no finite score on it; leave PCA out"),
        ("MCD", [0.0, 1e-9] * 60, "dataset_id", "MCD cannot be fitted to this data"),
        ("CBLOF", [0.0, 1.0] * 60, "dataset_id", "CBLOF cannot be fitted to this data"),
    ],
)
def test_data_that_leaves_an_algorithm_no_scale_is_refused(
    algorithm: str, values: list[float], field: str, sentence: str
) -> None:
    features = np.array(values)[:, np.newaxis]
    with pytest.raises(Unfit, match=sentence) as refused:
        fit_detector(request_for(algorithm, features), features, ignore_stage)
    assert refused.value.refusals[0].field == field


@pytest.mark.parametrize(
    ("algorithm", "parameters"), [("HDBSCAN", {}), ("Combination", {"detectors": ["ECOD", "HDBSCAN"]})]
)
def test_numbers_with_which_a_fit_would_never_end_are_refused(algorithm: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(Unfit, match=r"HDBSCAN takes numbers up to 1e\+150, .* preprocessing.scaling"):
        fit_detector(request(algorithm, **parameters), table() * 1e300, ignore_stage)


def test_a_row_whose_distances_overflow_is_refused_by_its_number() -> None:
    rows = np.vstack([np.zeros((30, 3)), np.full((1, 3), 1e308)])
    with pytest.raises(Unfit, match="row 31 has no finite score: its values are too large"):
        fit_detector(replace(request("INNE"), seed=1), rows, ignore_stage)


def test_an_algorithm_of_one_column_refuses_more_and_says_so() -> None:
    with pytest.raises(Unfit, match="MAD looks at one column; name one of a, b, c") as refused:
        fit_detector(request("MAD"), table(), ignore_stage)
    assert refused.value.refusals[0].field == "feature_columns"


def test_kernel_components_of_more_rows_than_fit_a_model_are_refused_with_what_to_choose() -> None:
    with pytest.raises(Unfit, match="KPCA keeps a weight for each of 5000 rows and 5000 components") as refused:
        fit_detector(request("KPCA"), table(5000), ignore_stage)
    assert refused.value.refusals[0].field == "parameters.n_components"


def test_a_graph_that_does_not_score_as_its_detector_is_never_handed_out() -> None:
    features, algorithm = table(), get_algorithm("IForest")
    first, second = (create_estimator(algorithm, {}, 0.1, seed).fit(features) for seed in (1, 2))
    with pytest.raises(CompileMismatch, match="times the tolerance"):
        verify(first, algorithm, compile_detector(second, "IForest", features), features)
