"""Every compiled algorithm against PyOD, on six real data sets."""

import warnings
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from detector_service.algorithms import ALGORITHMS, create_estimator, get_algorithm
from detector_service.compile import FAMILIES, CompiledDetector, compile_detector, run_graph
from detector_service.compile.networks import NETWORKS
from detector_service.training.fit import tolerance
from numpy.typing import NDArray
from pynomaly_scoring.runtime import ort

DATA = Path(__file__).parents[3] / "examples" / "data"
DATA_SETS = ("annthyroid", "cardio", "mammography", "shuttle", "thyroid", "vowels")
N_TRAIN, N_SCORED = 400, 100

# Beside the defaults, which every algorithm is tested with: each choice that a schema offers, at least once.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "ABOD": [{"n_neighbors": 8}],
    "CBLOF": [{"use_weights": True, "n_clusters": 6, "alpha": 0.5, "beta": 2}],
    "Combination": [
        {"detectors": ["KNN", "LOF"], "method": "maximum"},
        {"detectors": ["KNN", "IForest", "COPOD", "LODA", "PCA"], "method": "aom"},
        {"detectors": ["HBOS", "ECOD", "GMM"], "method": "moa"},
    ],
    "FeatureBagging": [
        {"base_estimator": "KNN", "combination": "max", "n_estimators": 4},
        {"base_estimator": "MCD", "bootstrap_features": True, "n_estimators": 3},
        {"base_estimator": "GMM", "max_features": 0.6, "n_estimators": 3},
    ],
    "GMM": [
        {"n_components": 3, "covariance_type": "tied", "init_params": "random"},
        {"n_components": 2, "covariance_type": "diag", "init_params": "k-means++"},
        {"n_components": 2, "covariance_type": "spherical", "init_params": "random_from_data"},
    ],
    "HBOS": [{"n_bins": "auto", "tol": 0.1}],
    "HDBSCAN": [{"min_cluster_size": 12, "min_samples": 3}],
    "IForest": [{"n_estimators": 30, "max_features": 0.5, "bootstrap": True}],
    "INNE": [{"n_estimators": 20, "max_samples": 0.1}],
    "KDE": [{"bandwidth": 0.05}],
    "KNN": [{"method": "mean"}, {"method": "median", "n_neighbors": 4}],
    "KPCA": [
        {"n_components": 12, "n_selected_components": 5, "gamma": 0.5},
        {"kernel": "linear", "n_components": 3, "sampling": True, "subset_size": 0.5},
        {"kernel": "poly", "n_components": 3, "degree": 2},
        {"kernel": "sigmoid", "n_components": 3, "gamma": 0.01},
    ],
    "LODA": [{"n_bins": "auto", "n_random_cuts": 30}],
    "MAD": [{"threshold": 2}],
    "MCD": [{"assume_centered": True, "support_fraction": 0.9}],
    "OCSVM": [
        {"kernel": "linear", "gamma": "scale", "nu": 0.2},
        {"kernel": "poly", "degree": 2, "coef0": 1, "gamma": 0.1, "shrinking": False},
        {"kernel": "sigmoid", "gamma": 0.01},
    ],
    "PCA": [{"weighted": False, "n_selected_components": 2}, {"standardization": False, "n_components": 3}],
    "Sampling": [{"subset_size": 0.2}],
}
# The networks, where they can be trained.
ACTIVATIONS = ("sigmoid", "elu", "leaky_relu", "softplus", "identity")
RAW = {"preprocessing": False, "optimizer_name": "sgd", "lr": 1e-9, "hidden_activation_name": "tanh"}
VARIANTS |= {
    "AE1SVM": [
        {"epochs": 1, "preprocessing": False, "batch_norm": False, "hidden_activation": "tanh"},
        *({"epochs": 1, "hidden_neurons": [5, 3], "hidden_activation": name} for name in ACTIVATIONS),
    ],
    "AutoEncoder": [
        {"epoch_num": 1, "batch_norm": False, **RAW},
        *({"epoch_num": 1, "hidden_neuron_list": [5, 3], "hidden_activation_name": name} for name in ACTIVATIONS),
    ],
    "DIF": [
        {"n_ensemble": 3, "skip_connection": True, "hidden_activation": "relu", "max_samples": 20},
        *({"n_ensemble": 3, "hidden_neurons": [9, 7], "hidden_activation": name} for name in ACTIVATIONS),
    ],
    "DeepSVDD": [
        {"epochs": 1, "preprocessing": False, "hidden_activation": "tanh", "optimizer": "sgd"},
        *(
            {"epochs": 1, "use_ae": True, "hidden_neurons": [7, 5, 4], "output_activation": output, "optimizer": rule}
            | {"hidden_activation": hidden}
            for hidden, output, rule in zip(
                (*ACTIVATIONS, "relu"),
                ("relu", "tanh", *ACTIVATIONS[1:]),
                ("adam", "adamw", "rmsprop") * 2,
                strict=True,
            )
        ),
    ],
    "LUNAR": [
        {"n_epochs": 20, "model_type": "SCORE", "negative_sampling": "SUBSPACE"},
        {"n_epochs": 20, "n_neighbours": 9, "negative_sampling": "UNIFORM"},
    ],
    "VAE": [
        {"epoch_num": 1, "batch_norm": True, "output_activation_name": "relu", **RAW},
        *(
            {"epoch_num": 1, "hidden_activation_name": hidden, "output_activation_name": output}
            for hidden, output in zip(ACTIVATIONS, ("tanh", *ACTIVATIONS[:-1]), strict=True)
        ),
    ],
}
UNIVARIATE = frozenset({"MAD"})
# All components leave but rounding of a training row; variances of nearly zero magnify that of uncentred squares.
DOUBTED = {("KPCA", 0), ("GMM", 2)}
DISTINCT = frozenset({"ABOD"})  # gives no score where all neighbours equal the row
DETERMINED = {("cardio", "CD"): [11]}  # columns that are sums of others, which it refuses
SMALLER = {"KPCA": 100}  # its components are as many as the rows, and PyOD takes a call for each row
CASES = [(name, index) for name in sorted(FAMILIES) for index in range(1 + len(VARIANTS.get(name, [])))]


class Compiled(NamedTuple):
    estimator: Any
    detector: CompiledDetector
    rows: NDArray[np.float64]


@cache
def rows_of(name: str) -> NDArray[np.float64]:
    table = np.loadtxt(DATA / f"{name}.csv", delimiter=",", skiprows=1, max_rows=4000)
    return np.random.default_rng(7).permutation(table[:, :-1])  # the last column is the label


def columns_for(algorithm: str, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = rows[:, 1:2] if algorithm in UNIVARIATE else rows
    if algorithm in DISTINCT:
        rows = rows[np.sort(np.unique(rows, axis=0, return_index=True)[1])]
    return np.ascontiguousarray(rows)


@cache
def compiled(data_set: str, algorithm: str, case: int = 0) -> Compiled:
    left_out = DETERMINED.get((data_set, algorithm), [])
    rows = columns_for(algorithm, np.delete(rows_of(data_set), left_out, axis=1))
    parameters = [{}, *VARIANTS.get(algorithm, [])][case]
    estimator = create_estimator(get_algorithm(algorithm), parameters, 0.1, seed=3)
    training = rows[: SMALLER.get(algorithm, N_TRAIN)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        estimator.fit(training)
    return Compiled(estimator, compile_detector(estimator, algorithm, training), rows[-N_SCORED:])


def test_what_is_compiled_is_what_is_on_offer() -> None:
    assert set(ALGORITHMS) == set(FAMILIES)
    assert set(VARIANTS) <= set(FAMILIES) | set(NETWORKS)


@pytest.mark.parametrize("algorithm", sorted(FAMILIES))
def test_every_choice_that_a_schema_offers_is_compared_with_pyod(algorithm: str) -> None:
    offered = get_algorithm(algorithm)
    cases = [{**offered.defaults, **variant} for variant in ({}, *VARIANTS.get(algorithm, []))]
    for name, schema in offered.parameters_schema["properties"].items():
        used = [case[name] for case in cases]
        assert all(choice in used for choice in choices(schema)), f"{name}: {choices(schema)} in {used}"


def choices(schema: dict[str, Any]) -> Iterator[Any]:
    for part in schema.get("anyOf", [schema]):
        yield from part.get("enum", [])
        yield from [part["const"]] if "const" in part else []
        yield from [True, False] if part.get("type") == "boolean" else []


@pytest.mark.parametrize("data_set", DATA_SETS)
@pytest.mark.parametrize(("algorithm", "case"), CASES)
def test_the_graph_scores_and_labels_as_pyod_does(data_set: str, algorithm: str, case: int) -> None:
    estimator, detector, rows = compiled(data_set, algorithm, case)
    family = FAMILIES[algorithm]
    reference, ours = family.reference_scores(estimator, rows), run_graph(detector.model, rows)
    doubt = family.doubt(estimator, rows)
    allowed = tolerance(reference, detector.training_scores)
    assert (doubt < allowed).sum() > 20 or (algorithm, case) in DOUBTED
    assert (np.abs(ours["raw_score"] - reference) <= allowed + doubt).all()
    clear = np.abs(reference - detector.threshold) > allowed + doubt
    np.testing.assert_array_equal(ours["is_anomaly"][clear], (reference > detector.threshold)[clear])
    if not family.scored_alone:  # stock scores its training rows in their batch, which the frozen formula does not
        assert detector.threshold == pytest.approx(estimator.threshold_, rel=1e-9, abs=1e-9)
        apart = np.abs(reference[:, np.newaxis] - detector.training_scores).min(axis=1) > allowed + doubt
        expected = estimator.predict_confidence(rows)
        assert (np.abs(ours["confidence"] - expected) <= 1e-9)[apart].all()


@pytest.mark.parametrize("data_set", DATA_SETS)
@pytest.mark.parametrize("algorithm", sorted(FAMILIES))
def test_a_row_scores_alone_as_in_any_batch_order_and_thread_count(data_set: str, algorithm: str) -> None:
    _, detector, rows = compiled(data_set, algorithm)
    together = run_graph(detector.model, rows)
    reverse = run_graph(detector.model, np.ascontiguousarray(rows[::-1]), threads=2)
    picked = np.arange(0, len(rows), 20)
    alone = np.concatenate([run_graph(detector.model, rows[i : i + 1])["raw_score"] for i in picked])
    allowed = tolerance(together["raw_score"], detector.training_scores) / 10  # 1e-6 of the scale
    assert (np.abs(reverse["raw_score"][::-1] - together["raw_score"]) <= allowed).all()
    assert (np.abs(alone - together["raw_score"][picked]) <= allowed[picked]).all()
    clear = np.abs(together["raw_score"] - detector.threshold) > allowed
    np.testing.assert_array_equal(reverse["is_anomaly"][::-1][clear], together["is_anomaly"][clear])


@pytest.mark.parametrize(("algorithm", "case"), CASES)
def test_the_runtimes_optimisations_do_not_move_a_score(algorithm: str, case: int) -> None:
    _, detector, rows = compiled("annthyroid", algorithm, case)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(detector.model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (plain,) = session.run(["raw_score"], {"numeric": rows})
    ours = run_graph(detector.model, rows)["raw_score"]
    assert (np.abs(ours - plain) <= tolerance(plain, detector.training_scores) / 10).all()


@pytest.mark.parametrize("algorithm", ["ECOD", "HBOS"])
def test_step_graphs_score_alone_as_in_a_batch_to_the_last_bit(algorithm: str) -> None:
    _, detector, rows = compiled("cardio", algorithm)
    together = run_graph(detector.model, rows, threads=2)
    for i in range(0, len(rows), 10):
        alone = run_graph(detector.model, rows[i : i + 1])
        assert all(alone[name][0] == together[name][i] for name in together)


@pytest.mark.parametrize("algorithm", sorted(FAMILIES))
def test_the_prediction_is_a_monotone_position_between_0_and_1(algorithm: str) -> None:
    _, detector, rows = compiled("mammography", algorithm)
    ours = run_graph(detector.model, rows)
    ordered = ours["prediction"][np.argsort(ours["raw_score"], kind="stable")]
    assert all(below <= above for below, above in pairwise(ordered))
    assert 0 < ordered[0] <= ordered[-1] < 1


@pytest.mark.parametrize("algorithm", sorted(FAMILIES))
def test_the_graph_is_plain_onnx_with_the_fixed_signature(algorithm: str) -> None:
    _, detector, rows = compiled("vowels", algorithm)
    onnx.checker.check_model(detector.model, full_check=True)
    assert {node.domain for node in detector.model.graph.node} <= {"", "ai.onnx.ml"}
    assert not detector.model.functions
    shapes = {value.name: _signature(value) for value in (*detector.model.graph.input, *detector.model.graph.output)}
    assert shapes == {
        "numeric": (onnx.TensorProto.DOUBLE, ["n_rows", rows.shape[1]]),
        "raw_score": (onnx.TensorProto.DOUBLE, ["n_rows"]),
        "prediction": (onnx.TensorProto.DOUBLE, ["n_rows"]),
        "is_anomaly": (onnx.TensorProto.BOOL, ["n_rows"]),
        "confidence": (onnx.TensorProto.DOUBLE, ["n_rows"]),
    }


def _signature(value: onnx.ValueInfoProto) -> tuple[int, list[Any]]:
    tensor = value.type.tensor_type
    return tensor.elem_type, [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]


@pytest.mark.parametrize("algorithm", sorted(FAMILIES))
def test_the_same_training_gives_the_same_bytes(algorithm: str) -> None:
    training = columns_for(algorithm, rows_of("thyroid")[:200])
    first, second = (
        compile_detector(
            create_estimator(get_algorithm(algorithm), {}, 0.05, seed=1).fit(training), algorithm, training
        )
        for _ in range(2)
    )
    assert first.model.SerializeToString() == second.model.SerializeToString()


def test_an_isolation_forest_is_one_tree_ensemble_node_before_the_calibration() -> None:
    nodes = compiled("cardio", "IForest").detector.model.graph.node
    assert [node.op_type for node in nodes[:5]] == ["Cast", "Cast", "TreeEnsemble", "Exp", "Add"]
