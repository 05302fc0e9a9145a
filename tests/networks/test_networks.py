"""PyOD's neural networks beside ours: the same weights, the same scores, and where ours differ, why they do."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from pkgutil import resolve_name
from typing import Any
from uuid import uuid4

import numpy as np
import onnx
import pyarrow as pa
import pytest
import torch
from detector_service.algorithms import ALGORITHMS, ELSEWHERE, create_estimator, get_algorithm
from detector_service.compile import compile_detector, run_graph
from detector_service.domain import Unfit
from detector_service.errors import MemoryLimitReached
from detector_service.estimators.networks import NETWORKS, reproducible
from detector_service.training.fit import fit_detector, tolerance
from detector_service.training.request import FitRequest
from detector_service.worker.sandbox import ARTEFACT, ROWS, Sandbox
from numpy.typing import NDArray
from pynomaly_scoring import Scorer, TrustedKeys, generate_signing_key, open_artefact

DATA = Path(__file__).parents[2] / "examples" / "data"
FEW_STEPS: dict[str, dict[str, Any]] = {
    "AE1SVM": {"epochs": 3},
    "AutoEncoder": {"epoch_num": 3},
    "DIF": {"n_ensemble": 5},
    "DeepSVDD": {"epochs": 5},
    "LUNAR": {"n_epochs": 10},
    "VAE": {"epoch_num": 3},
}


def rows_of(name: str, n_rows: int = 300) -> NDArray[np.float64]:
    table = np.loadtxt(DATA / f"{name}.csv", delimiter=",", skiprows=1, max_rows=2000)
    return np.random.default_rng(7).permutation(table[:, :-1])[:n_rows].copy()


def fitted(name: str, rows: NDArray[np.float64], seed: int = 3) -> Any:
    return create_estimator(get_algorithm(name), FEW_STEPS[name], 0.1, seed).fit(rows)


def stock(name: str, rows: NDArray[np.float64], seed: int = 3) -> Any:
    """PyOD's own class with the same parameters, fitted after the same seeds."""
    kind = resolve_name(get_algorithm(name).implementation)
    arguments = {**FEW_STEPS[name], **get_algorithm(name).server_side}
    taken = inspect.signature(kind).parameters
    arguments |= {"random_state": seed} if "random_state" in taken else {}
    arguments |= {"n_features": rows.shape[1]} if "n_features" in taken else {}
    with reproducible(seed):
        detector = kind(**arguments)
    with reproducible(seed):
        return detector.fit(rows)


def weights(network: Any) -> Iterator[NDArray[np.float32]]:
    modules = (
        network.net_lst
        if hasattr(network, "net_lst")
        else [getattr(network, name) for name in ("model", "model_", "network") if hasattr(network, name)]
    )
    for module in modules:
        yield from (numbers.numpy() for numbers in module.state_dict().values())


def request(name: str, **parameters: Any) -> FitRequest:
    return FitRequest(
        algorithm=name,
        parameters={**FEW_STEPS[name], **parameters},
        contamination=0.1,
        seed=4,
        feature_names=("a", "b", "c"),
        dataset_id=str(uuid4()),
        dataset_version="1",
    )


def table(n_rows: int = 120) -> NDArray[np.float64]:
    return np.random.default_rng(1).normal(size=(n_rows, 3))


def ignore(stage: str, progress: float) -> None:
    """Progress that nobody watches."""


def test_every_network_of_the_catalogue_is_on_offer_where_pytorch_is() -> None:
    assert {name for name, found in ALGORITHMS.items() if found.extra == "torch"} == set(NETWORKS)
    assert not any(found.kind == "torch" for found in ELSEWHERE.values())


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_weights_are_pyods_to_the_last_bit(name: str) -> None:
    rows = rows_of("cardio")
    pairs = list(zip(weights(fitted(name, rows)), weights(stock(name, rows)), strict=True))
    assert pairs
    for ours, theirs in pairs:
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("data_set", ["cardio", "shuttle", "thyroid"])
@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"DIF", "VAE"}))
def test_the_graph_scores_as_stock_pyod_does_though_that_rounds_to_float32(name: str, data_set: str) -> None:
    rows = rows_of(data_set, 400)
    theirs = stock(name, rows[:300])
    compiled = compile_detector(fitted(name, rows[:300]), name, rows[:300])
    expected = theirs.decision_function(rows)
    allowed = tolerance(expected, compiled.training_scores)
    assert (np.abs(run_graph(compiled.model, rows)["raw_score"] - expected) <= allowed).all()
    assert compiled.threshold == pytest.approx(theirs.threshold_, rel=1e-5)


def test_vae_scores_a_row_alike_at_each_call_where_stock_draws_anew() -> None:
    rows = rows_of("cardio")
    ours, theirs = fitted("VAE", rows), stock("VAE", rows)
    np.testing.assert_array_equal(ours.decision_function(rows), ours.decision_function(rows))
    assert (theirs.decision_function(rows) != theirs.decision_function(rows)).all()


def test_vae_scores_as_stock_does_once_its_draws_have_no_spread() -> None:
    rows = rows_of("cardio")
    ours, theirs = fitted("VAE", rows), stock("VAE", rows)
    theirs.model.logvar_clip = (-200.0, -199.0)
    expected = theirs.decision_function(rows)
    assert (np.abs(ours.decision_function(rows) - expected) <= tolerance(expected, expected)).all()


def test_dif_tells_rows_apart_that_come_alone_where_stock_cannot() -> None:
    rows = rows_of("cardio")
    ours, theirs = fitted("DIF", rows), stock("DIF", rows)
    assert len({theirs.decision_function(row[np.newaxis])[0] for row in rows[:20]}) == 1
    assert len({ours.decision_function(row[np.newaxis])[0] for row in rows[:20]}) == 20


def test_dif_scores_the_training_rows_as_stock_does() -> None:
    rows = rows_of("cardio")
    ours, theirs = fitted("DIF", rows).decision_scores_, stock("DIF", rows).decision_scores_
    near = np.abs(ours - theirs) <= tolerance(theirs, theirs)
    assert near.mean() > 0.98  # a row that float32 carries over a split takes another way


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_the_same_rows_and_seed_give_the_same_model_whatever_was_drawn_before_and_on_however_many_threads(
    name: str,
) -> None:
    first = fit_detector(request(name), table(), ignore)
    torch.manual_seed(8)
    np.random.seed(8)
    torch.set_num_threads(2)
    assert fit_detector(request(name), table(), ignore).model == first.model


def test_training_leaves_the_draws_and_the_threads_of_others_alone() -> None:
    torch.set_num_threads(2)
    torch.manual_seed(5)
    np.random.seed(5)
    expected = torch.rand(1).item(), np.random.random()
    torch.manual_seed(5)
    np.random.seed(5)
    fit_detector(request("AutoEncoder"), table(), ignore)
    assert (torch.rand(1).item(), np.random.random()) == expected
    assert torch.get_num_threads() == 2
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_rows_however_far_out_have_a_finite_score_that_says_so(name: str) -> None:
    rows = table()
    compiled = compile_detector(fitted(name, rows), name, rows)
    far = np.array([[1e6] * 3, [1e39, 0, 0], [-1e300] * 3, [1.7e308, -1.7e308, 1.7e308]])
    found = run_graph(compiled.model, far)
    assert np.isfinite(found["raw_score"]).all()
    assert ((found["prediction"] > 0) & (found["prediction"] < 1)).all()


@pytest.mark.parametrize(
    ("name", "parameters", "n_rows", "sentence"),
    [
        ("AutoEncoder", {}, 20, "too few rows for one step of the training; add rows, or lower the size of a batch"),
        ("VAE", {"batch_size": 200}, 120, "too few rows for one step"),
        ("AE1SVM", {"batch_size": 17}, 120, "Expected more than 1 value per channel"),
        ("LUNAR", {"n_neighbours": 300}, 120, "n_neighbors"),
        ("DeepSVDD", {"use_ae": True}, 120, "number of neurons should not exceed"),
        ("DIF", {"n_ensemble": 200, "hidden_neurons": [1024, 1024]}, 120, "a model holds at most 16,000,000"),
    ],
)
def test_what_a_network_cannot_be_trained_with_is_refused_in_words(
    name: str, parameters: dict[str, Any], n_rows: int, sentence: str
) -> None:
    with pytest.raises(Unfit, match=sentence):
        fit_detector(request(name, **parameters), table(n_rows), ignore)


def test_deepsvdd_refuses_rows_that_are_all_the_same() -> None:
    with pytest.raises(Unfit, match="its network maps all rows to zero; choose another activation, or other columns"):
        fit_detector(request("DeepSVDD"), np.ones((50, 3)), ignore)


def test_whole_numbers_in_lists_reach_pyod_as_such() -> None:
    made = create_estimator(get_algorithm("AutoEncoder"), {"hidden_neuron_list": [8.0, 4]}, 0.1, seed=0)
    assert [(width, type(width)) for width in made.hidden_neuron_list] == [(8, int), (4, int)]


def test_the_graph_holds_standard_operators_only_and_no_float64_copy_of_the_weights() -> None:
    rows = table()
    model = compile_detector(fitted("AutoEncoder", rows), "AutoEncoder", rows).model
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx.ml"}
    matrices = [tensor for tensor in model.graph.initializer if len(tensor.dims) == 2 and min(tensor.dims) > 2]
    assert {tensor.data_type for tensor in matrices} == {onnx.TensorProto.FLOAT}


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    private, public = tmp_path / "signing.pem", tmp_path / "signing.pub"
    generate_signing_key(private, public)
    return private, public


def job(folder: Path, keys: tuple[Path, Path], name: str, **parameters: Any) -> dict[str, Any]:
    """The files and the request of a training job on columns a, b and c."""
    columns = pa.table(dict(zip("abc", table().T, strict=True)))
    with pa.ipc.new_stream(folder / ROWS, columns.schema) as writer:
        writer.write_table(columns)
    return {
        "dataset_id": str(uuid4()),
        "dataset_version": "1",
        "feature_columns": ["a", "b", "c"],
        "ignored_columns": [],
        "detector_name": "one",
        "algorithm": name,
        "contamination": 0.1,
        "parameters": {**FEW_STEPS[name], **parameters},
        "seed": 4,
        "signing_key": str(keys[0]),
    }


@pytest.mark.parametrize("name", ["AutoEncoder", "LUNAR"])
async def test_a_job_in_a_child_under_its_memory_limit_leaves_a_signed_model_that_scores(
    tmp_path: Path, keys: tuple[Path, Path], name: str
) -> None:
    await Sandbox(4096).run("train", tmp_path, job(tmp_path, keys, name), ignore)
    artefact = open_artefact((tmp_path / ARTEFACT).read_bytes(), trusted=TrustedKeys.load(keys[1]))
    assert artefact.manifest.algorithm == name
    assert Scorer(artefact).score(table()).is_anomaly.sum() == 12


@pytest.mark.parametrize("limit_mb", [900, 1300])
async def test_a_job_that_runs_out_of_memory_as_pytorch_loads_or_as_it_trains_ends_saying_so(
    tmp_path: Path, keys: tuple[Path, Path], limit_mb: int
) -> None:
    wanted = job(tmp_path, keys, "AutoEncoder", hidden_neuron_list=[1024] * 8)
    with pytest.raises(MemoryLimitReached, match="fewer rows or columns"):
        await Sandbox(limit_mb).run("train", tmp_path, wanted, ignore)
