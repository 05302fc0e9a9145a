"""Every compiled algorithm against PyOD, on six real data sets."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from detector_service.algorithms import ALGORITHMS, create_estimator, get_algorithm
from detector_service.compile import FAMILIES, CompiledDetector, compile_detector, run_graph
from detector_service.training import reference_scores, tied_neighbours, tolerance
from numpy.typing import NDArray

DATA = Path(__file__).parents[3] / "examples" / "data"
DATA_SETS = ("annthyroid", "cardio", "mammography", "shuttle", "thyroid", "vowels")
PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "ECOD": [{}],
    "HBOS": [{}, {"n_bins": "auto", "tol": 0.1}],
    "IForest": [{}, {"n_estimators": 30, "max_features": 0.5, "bootstrap": True}],
    "KNN": [{}, {"method": "mean"}, {"method": "median", "n_neighbors": 4}],
    "LOF": [{}],
    "PCA": [{}, {"weighted": False, "n_selected_components": 2}, {"standardization": False, "n_components": 3}],
}
CASES = [(name, index) for name, options in PARAMETERS.items() for index in range(len(options))]
N_TRAIN, N_SCORED = 1100, 300


class Compiled(NamedTuple):
    estimator: Any
    detector: CompiledDetector
    rows: NDArray[np.float64]


@cache
def rows_of(name: str) -> NDArray[np.float64]:
    table = np.loadtxt(DATA / f"{name}.csv", delimiter=",", skiprows=1)
    return np.random.default_rng(7).permutation(table[:, :-1])  # the last column is the label


@cache
def compiled(data_set: str, algorithm: str, parameters: int = 0) -> Compiled:
    rows = rows_of(data_set)
    training = np.ascontiguousarray(rows[:N_TRAIN])
    estimator = create_estimator(get_algorithm(algorithm), PARAMETERS[algorithm][parameters], 0.1, seed=3)
    estimator.fit(training)
    return Compiled(estimator, compile_detector(estimator, algorithm, training), rows[-N_SCORED:])


def decidable(case: Compiled, algorithm: str) -> Iterator[Any]:
    """The rows to compare: all but those whose LOF hangs on which of two equally far neighbours counts."""
    tied = tied_neighbours(case.estimator, case.rows) if algorithm == "LOF" else np.zeros(len(case.rows), bool)
    assert (~tied).sum() > 60
    rows = case.rows[~tied]
    yield from (rows, reference_scores(case.estimator, algorithm, rows), run_graph(case.detector.model, rows))


def test_every_algorithm_on_offer_is_compiled_and_tested() -> None:
    assert set(ALGORITHMS) == set(FAMILIES) == set(PARAMETERS)


@pytest.mark.parametrize("data_set", DATA_SETS)
@pytest.mark.parametrize(("algorithm", "parameters"), CASES)
def test_the_graph_scores_and_labels_as_pyod_does(data_set: str, algorithm: str, parameters: int) -> None:
    case = compiled(data_set, algorithm, parameters)
    _, reference, ours = decidable(case, algorithm)
    allowed = tolerance(reference, case.detector.training_scores)
    assert (np.abs(ours["raw_score"] - reference) <= allowed).all()
    clear = np.abs(reference - case.detector.threshold) > allowed
    np.testing.assert_array_equal(ours["is_anomaly"][clear], (reference > case.detector.threshold)[clear])
    if algorithm != "ECOD":  # stock scores its training rows in their batch, which the frozen formula does not
        assert case.detector.threshold == pytest.approx(case.estimator.threshold_, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("data_set", DATA_SETS)
@pytest.mark.parametrize("algorithm", sorted(set(PARAMETERS) - {"ECOD"}))
def test_confidence_is_pyods(data_set: str, algorithm: str) -> None:
    case = compiled(data_set, algorithm)
    rows, _, ours = decidable(case, algorithm)
    np.testing.assert_allclose(ours["confidence"], case.estimator.predict_confidence(rows), atol=1e-9)


@pytest.mark.parametrize("data_set", DATA_SETS)
@pytest.mark.parametrize("algorithm", sorted(PARAMETERS))
def test_a_row_scores_alone_as_in_any_batch_order_and_thread_count(data_set: str, algorithm: str) -> None:
    _, detector, rows = compiled(data_set, algorithm)
    together = run_graph(detector.model, rows)
    reverse = run_graph(detector.model, np.ascontiguousarray(rows[::-1]), threads=2)
    picked = np.arange(0, len(rows), 30)
    alone = [run_graph(detector.model, rows[i : i + 1]) for i in picked]
    allowed = tolerance(together["raw_score"], detector.training_scores) / 10  # 1e-6 of the scale
    for others, among in (
        (reverse["raw_score"][::-1], together["raw_score"]),
        (_joined(alone), together["raw_score"][picked]),
    ):
        assert (np.abs(others - among) <= (allowed if len(among) == len(rows) else allowed[picked])).all()
    np.testing.assert_array_equal(reverse["is_anomaly"][::-1], together["is_anomaly"])


def _joined(outputs: list[dict[str, Any]]) -> NDArray[np.float64]:
    return np.concatenate([output["raw_score"] for output in outputs])


@pytest.mark.parametrize("algorithm", ["ECOD", "HBOS"])
def test_step_graphs_score_alone_as_in_a_batch_to_the_last_bit(algorithm: str) -> None:
    _, detector, rows = compiled("cardio", algorithm)
    together = run_graph(detector.model, rows, threads=2)
    for i in range(0, len(rows), 10):
        alone = run_graph(detector.model, rows[i : i + 1])
        assert all(alone[name][0] == together[name][i] for name in together)


@pytest.mark.parametrize("algorithm", sorted(PARAMETERS))
def test_the_prediction_is_a_monotone_position_between_0_and_1(algorithm: str) -> None:
    _, detector, rows = compiled("mammography", algorithm)
    ours = run_graph(detector.model, rows)
    ordered = ours["prediction"][np.argsort(ours["raw_score"], kind="stable")]
    assert (np.diff(ordered) >= 0).all()
    assert 0 < ordered[0] <= ordered[-1] < 1


@pytest.mark.parametrize("algorithm", sorted(PARAMETERS))
def test_the_graph_is_plain_onnx_with_the_fixed_signature(algorithm: str) -> None:
    model = compiled("vowels", algorithm).detector.model
    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx.ml"}
    assert not model.functions
    shapes = {value.name: _signature(value) for value in (*model.graph.input, *model.graph.output)}
    assert shapes == {
        "numeric": (onnx.TensorProto.DOUBLE, ["n_rows", 12]),
        "raw_score": (onnx.TensorProto.DOUBLE, ["n_rows"]),
        "prediction": (onnx.TensorProto.DOUBLE, ["n_rows"]),
        "is_anomaly": (onnx.TensorProto.BOOL, ["n_rows"]),
        "confidence": (onnx.TensorProto.DOUBLE, ["n_rows"]),
    }


def _signature(value: onnx.ValueInfoProto) -> tuple[int, list[Any]]:
    tensor = value.type.tensor_type
    return tensor.elem_type, [dim.dim_param or dim.dim_value for dim in tensor.shape.dim]


@pytest.mark.parametrize("algorithm", sorted(PARAMETERS))
def test_the_same_training_gives_the_same_bytes(algorithm: str) -> None:
    training = np.ascontiguousarray(rows_of("thyroid")[:200])
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
