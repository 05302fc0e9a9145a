"""What the contracts promise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pynomaly_contracts.base import RESERVED_NAMES, ResourceName, from_storage
from pynomaly_contracts.datasets import SplitRequest
from pynomaly_contracts.detectors import DetectorCreate
from pynomaly_contracts.routes import ROUTES, Service, is_idempotent, owner_of

names = TypeAdapter(ResourceName)


def create(**fields: object) -> DetectorCreate:
    return DetectorCreate.model_validate({"name": "d", "algorithm": "IForest", **fields})


@pytest.mark.parametrize("contamination", [0, 0.6, -0.1, float("nan"), float("inf"), "a", None])
def test_a_contamination_outside_its_range_is_refused(contamination: object) -> None:
    with pytest.raises(ValidationError, match="contamination"):
        create(contamination=contamination)


def test_an_unknown_field_is_refused_so_that_a_typo_is_never_ignored() -> None:
    with pytest.raises(ValidationError, match="contaminaton"):
        create(contaminaton=0.2)


def test_what_is_stored_may_have_fields_of_a_newer_release_and_a_request_may_not() -> None:
    said = {"name": "d", "algorithm": "IForest", "preprocessing": {"missing": "median", "clip": 3}, "budget": 1}
    assert from_storage(DetectorCreate, said).preprocessing.missing == "median"
    with pytest.raises(ValidationError, match="clip"):
        create(preprocessing=said["preprocessing"])


@pytest.mark.parametrize("name", [*sorted(RESERVED_NAMES), "Default", "", "a/b", "a" * 129, " a", "ä"])
def test_a_reserved_or_unusable_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        names.validate_python(name)


@given(st.uuids())
def test_a_name_never_looks_like_an_id(some_id: object) -> None:
    with pytest.raises(ValidationError, match="UUID"):
        names.validate_python(str(some_id))


@given(st.lists(st.floats(0.01, 0.99), min_size=2, max_size=8))
def test_fractions_that_do_not_sum_to_one_are_refused(fractions: list[float]) -> None:
    parts = {f"p{i}": fraction for i, fraction in enumerate(fractions)}
    if abs(sum(fractions) - 1) > 1e-9:
        with pytest.raises(ValidationError, match="sum to 1"):
            SplitRequest(fractions=parts)
    else:
        assert SplitRequest(fractions=parts).fractions == parts


def test_every_prefix_has_one_owner() -> None:
    prefixes = [route.prefix for route in ROUTES]
    assert len(set(prefixes)) == len(prefixes)
    assert not [(a, b) for a in prefixes for b in prefixes if a != b and a.startswith(b + "/")]


@pytest.mark.parametrize(
    ("path", "owner"),
    [
        ("/api/v1/datasets", Service.DATASET),
        ("/api/v1/datasets/upload", Service.DATASET),
        ("/api/v1/datasetsx", Service.GATEWAY),
        ("/api/v1/jobs/1/events", Service.DETECTOR),
        ("/api/v1/predict/batch", Service.MODEL),
        ("/v2/models/m/infer", Service.MODEL),
        ("/docs", Service.GATEWAY),
        ("/", Service.GATEWAY),
    ],
)
def test_a_path_goes_to_its_owner(path: str, owner: Service) -> None:
    assert owner_of(path) is owner


def test_a_post_is_idempotent_only_with_a_key_or_when_it_is_pure() -> None:
    assert is_idempotent("GET", "/api/v1/datasets", has_idempotency_key=False)
    assert is_idempotent("POST", "/api/v1/predict", has_idempotency_key=False)
    assert is_idempotent("POST", "/v2/models/m/infer", has_idempotency_key=False)
    assert is_idempotent("POST", "/v2/models/m/versions/1/infer", has_idempotency_key=False)
    assert not is_idempotent("POST", "/v2/repository/models/m/load", has_idempotency_key=False)
    assert is_idempotent("POST", "/v1/models/m:predict", has_idempotency_key=False)
    assert is_idempotent("POST", "/invocations", has_idempotency_key=False)
    assert not is_idempotent("POST", "/v1/models/m", has_idempotency_key=False)
    assert is_idempotent("POST", "/api/v1/detectors", has_idempotency_key=True)
    assert not is_idempotent("POST", "/api/v1/detectors", has_idempotency_key=False)
