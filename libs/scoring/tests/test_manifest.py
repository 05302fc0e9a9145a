import dataclasses
import json
from typing import Any

import pytest
from pynomaly_scoring import Manifest, ManifestInvalid


def test_a_manifest_survives_the_round_trip(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_the_same_manifest_is_always_the_same_bytes(manifest: Manifest) -> None:
    reordered = dataclasses.replace(manifest, versions=dict(reversed(list(manifest.versions.items()))))
    assert reordered.to_json() == manifest.to_json()


def test_a_key_from_a_later_writer_is_ignored(manifest: Manifest) -> None:
    document = json.loads(manifest.to_json()) | {"added_later": 1}
    assert Manifest.from_json(json.dumps(document).encode()) == manifest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema_version", 2),
        ("algorithm", ""),
        ("feature_names", []),
        ("feature_names", ["a", "a", "b"]),
        ("n_features", 4),
        ("contamination", 0.0),
        ("contamination", 0.6),
        ("n_train", 0),
        ("seed", -1),
        ("data_digest", "AB" * 32),
        ("score_distribution", {"min": 2, "max": 1, "mean": 0, "std": 0, "quantiles": {}}),
        ("score_distribution", {"min": 0, "max": 1, "mean": 0, "std": -1, "quantiles": {}}),
    ],
)
def test_a_value_out_of_range_is_refused(manifest: Manifest, field: str, value: Any) -> None:
    document = json.loads(manifest.to_json()) | {field: value}
    with pytest.raises(ManifestInvalid) as refused:
        Manifest.from_json(json.dumps(document).encode())
    assert refused.value.reason == "manifest-value"
    assert field in str(refused.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", True),
        ("seed", 1.0),
        ("threshold", "1"),
        ("parameters", []),
        ("feature_names", [1, 2, 3]),
        ("feature_names", ["a", "b", "\ud800"]),
        ("contamination", 10**400),
        ("parameters", {"n_estimators": 10**400}),
        ("preprocessing", {"settings": [10**400]}),
        ("versions", {"pyod": 3}),
        ("score_distribution", {}),
    ],
)
def test_a_value_of_another_type_is_refused(manifest: Manifest, field: str, value: Any) -> None:
    document = json.loads(manifest.to_json()) | {field: value}
    with pytest.raises(ManifestInvalid) as refused:
        Manifest.from_json(json.dumps(document).encode())
    assert refused.value.reason == "manifest-malformed"


@pytest.mark.parametrize(
    "document",
    [b"", b"\xff", b"[]", b"{}", b'{"seed": 1, "seed": 2}', b"NaN", b"1e400", b"[" * 200_000, b"9" * 5000],
)
def test_what_is_not_strict_json_is_refused(document: bytes) -> None:
    with pytest.raises(ManifestInvalid) as refused:
        Manifest.from_json(document)
    assert refused.value.reason == "manifest-malformed"


def test_an_infinite_threshold_cannot_be_constructed(manifest: Manifest) -> None:
    with pytest.raises(ManifestInvalid, match="threshold"):
        dataclasses.replace(manifest, threshold=float("inf"))
