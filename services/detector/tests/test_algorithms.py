"""The catalogue: current, complete, small to import; parameters checked by name, type and range."""

import inspect
import json
import subprocess
import sys
from pkgutil import resolve_name
from typing import Any

import pytest
from detector_service.algorithms import (
    ALGORITHMS,
    BATCH,
    ELSEWHERE,
    InvalidParameter,
    NotOffered,
    UnknownAlgorithm,
    create_estimator,
    get_algorithm,
    load_catalogue,
    main,
    validate_parameters,
)
from detector_service.catalogue import pyod_detectors
from jsonschema import Draft202012Validator


def test_every_detector_of_pyods_is_on_offer_or_has_the_reason_why_not() -> None:
    assert (set(ALGORITHMS) - {"Combination"}) | set(BATCH) | set(ELSEWHERE) == pyod_detectors()
    assert not (set(ALGORITHMS) | set(BATCH)) & set(ELSEWHERE)
    assert all(set(found.instead) <= set(ALGORITHMS) for found in BATCH.values())
    assert all(set(found.instead) <= set(ALGORITHMS) for found in ELSEWHERE.values())


@pytest.mark.parametrize("name", BATCH)
def test_an_algorithm_for_batches_says_why_how_many_rows_and_what_is_online_instead(name: str) -> None:
    algorithm = get_algorithm(name)
    assert algorithm.batch_only
    assert algorithm.max_rows in range(300, 5001)
    assert algorithm.instead


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ALAD", "it leaves units of its networks out at random .* Use PCA or KPCA instead"),
        ("DOMINANT", "it scores the nodes of a graph, .* Use LOF or IForest instead"),
        ("XGBOD", "it learns from labelled anomalies; .* Use IForest or ECOD instead"),
    ],
)
def test_a_detector_that_is_not_on_offer_is_refused_with_the_reason_and_what_to_use_instead(
    name: str, sentence: str
) -> None:
    with pytest.raises(NotOffered, match=sentence):
        get_algorithm(name)


def test_a_network_is_on_offer_where_pytorch_is_and_elsewhere_says_what_to_install() -> None:
    with_pytorch, others = load_catalogue(lambda extra: extra in (None, "torch"))
    assert with_pytorch["VAE"].extra == "torch"
    assert "VAE" not in others
    without, elsewhere = load_catalogue(lambda extra: extra is None)
    assert set(with_pytorch) - set(without) == {name for name, found in elsewhere.items() if found.kind == "torch"}
    assert elsewhere["VAE"].reason.endswith("not installed here: pip install 'pynomaly-detector-service[torch]'")


def test_a_network_that_cannot_be_trained_here_is_refused_with_what_to_install() -> None:
    without, elsewhere = load_catalogue(lambda extra: extra is None)
    refusal = NotOffered(elsewhere["AutoEncoder"], tuple(without))
    assert "AutoEncoder cannot be trained: it needs PyTorch" in str(refusal)
    assert str(refusal).endswith("pip install 'pynomaly-detector-service[torch]'. Use PCA or KPCA instead")


def test_the_generated_files_are_current() -> None:
    assert main(["--check"]) == 0


@pytest.mark.parametrize("name", [*ALGORITHMS, *BATCH])
def test_each_algorithm_says_what_it_is_good_at_and_what_it_costs(name: str) -> None:
    algorithm = get_algorithm(name)
    assert algorithm.good_at.endswith(".")
    assert {algorithm.fit_cost, algorithm.score_cost} <= {"low", "medium", "high"}


def test_the_catalogue_and_the_check_of_parameters_import_neither_pyod_nor_scikit_learn() -> None:
    program = (
        "import sys; from detector_service.algorithms import get_algorithm, validate_parameters;"
        "validate_parameters(get_algorithm('KNN'), {'n_neighbors': 3});"
        "sys.exit(','.join({'pyod', 'sklearn', 'scipy', 'onnx', 'numpy'} & set(sys.modules)) or 0)"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")


@pytest.mark.parametrize("name", [*ALGORITHMS, *BATCH])
def test_each_schema_is_draft_2020_12_and_carries_pyods_defaults_and_a_meaning(name: str) -> None:
    algorithm = get_algorithm(name)
    Draft202012Validator.check_schema(algorithm.parameters_schema)
    assert algorithm.parameters_schema["additionalProperties"] is False
    signature = inspect.signature(resolve_name(algorithm.implementation)).parameters
    for parameter, schema in algorithm.parameters_schema["properties"].items():
        assert schema["default"] == json.loads(json.dumps(signature[parameter].default))
        assert schema["description"]
    validate_parameters(algorithm, algorithm.defaults)


@pytest.mark.parametrize("name", [*ALGORITHMS, *BATCH])
def test_an_estimator_built_from_the_defaults_is_pyods(name: str) -> None:
    algorithm = get_algorithm(name)
    estimator = create_estimator(algorithm, algorithm.defaults, 0.25, seed=5)
    assert type(estimator).__name__ == name
    assert estimator.contamination == 0.25
    assert all(getattr(estimator, key) == value for key, value in algorithm.defaults.items() if value is not None)


def test_an_unknown_algorithm_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UnknownAlgorithm, match=r"known are .*HBOS") as refused:
        get_algorithm("iforest")
    assert set(refused.value.known) == {*ALGORITHMS, *BATCH}


@pytest.mark.parametrize(
    ("algorithm", "parameter", "value", "requirement"),
    [
        ("IForest", "n_estimators", 0, "n_estimators must be an integer >= 1 and <= 2000, not 0"),
        ("IForest", "n_estimators", True, "not True"),
        ("IForest", "n_estimators", "many", "not 'many'"),
        ("IForest", "max_samples", "all", 'an integer >= 2 or a number > 0 and <= 1 or "auto"'),
        ("IForest", "bootstrap", 1, "true or false"),
        ("IForest", "random_state", 1, "IForest has no parameter 'random_state'; it has: n_estimators"),
        ("ECOD", "n_jobs", 1, "it has: none"),
        ("HBOS", "alpha", 1, "a number > 0 and < 1"),
        ("HBOS", "tol", float("nan"), "not nan"),
        ("GMM", "tol", float("inf"), "not inf"),
        ("GMM", "tol", 2**63, "not 9223372036854775808"),
        ("GMM", "tol", "x" * 1_000_000, "not 'xxxxxxxxxxxx...xxxxxxxxxxxxx'"),
        ("KNN", "method", "max", 'one of "largest", "mean", "median"'),
        ("Combination", "detectors", ["KNN"], 'a list of 2 to 10, each one of "ABOD"'),
        ("Combination", "detectors", ["KNN", "MAD"], 'a list of 2 to 10, each one of "ABOD"'),
        ("PCA", "n_components", 0, "an integer >= 1 or a number > 0 and < 1 or null"),
        ("LOF", "n_neighbors", None, "an integer"),
    ],
)
def test_a_bad_parameter_is_refused_by_name_and_value_with_what_it_must_be(
    algorithm: str, parameter: str, value: Any, requirement: str
) -> None:
    with pytest.raises(InvalidParameter) as refused:
        validate_parameters(get_algorithm(algorithm), {parameter: value})
    assert refused.value.field == f"parameters.{parameter}"
    assert refused.value.value is value
    assert requirement in refused.value.message


@pytest.mark.parametrize(
    ("parameter", "given", "meant"),
    [("n_estimators", 30.0, 30), ("max_samples", 1, 1.0), ("max_samples", 64.0, 64), ("max_features", 1, 1.0)],
)
def test_json_numbers_reach_pyod_as_the_kind_that_is_meant(parameter: str, given: float, meant: float) -> None:
    reached = getattr(create_estimator(get_algorithm("IForest"), {parameter: given}, 0.1, seed=0), parameter)
    assert (reached, type(reached)) == (meant, type(meant))
