"""What a detector and a data set make of a request, where the installation is another than it was."""

from datetime import UTC, datetime
from typing import Any

import pytest
from detector_service.errors import AlgorithmNotHere, DetectorNotTrained
from detector_service.service.pinning import check_trainable, is_for_batches, train_spec, trained_model
from detector_service.specs import TrainSpec
from pynomaly_chassis.ids import new_id
from pynomaly_contracts.datasets import Dataset
from pynomaly_contracts.detectors import Detector

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def detector_of(algorithm: str, trained: bool = False) -> Detector:
    about = {"name": "d", "algorithm": algorithm, "contamination": 0.1, "parameters": {}, "feature_columns": []}
    known = {"id": new_id(), "created_at": NOW, "updated_at": NOW, "seed": 0}
    return Detector.model_validate({**about, **known, "model_id": new_id() if trained else None})


def test_a_detector_whose_algorithm_is_gone_is_not_trained_but_its_model_scores_on() -> None:
    with pytest.raises(AlgorithmNotHere, match="detector 'd': unknown algorithm 'Gone'"):
        check_trainable(detector_of("Gone"))
    with pytest.raises(AlgorithmNotHere):
        trained_model(detector_of("Gone"))
    trained = detector_of("Gone", trained=True)
    assert not is_for_batches(trained)
    assert trained_model(trained) == str(trained.model_id)


def test_a_detector_that_was_never_trained_has_no_model() -> None:
    with pytest.raises(DetectorNotTrained):
        trained_model(detector_of("IForest"))
    assert is_for_batches(detector_of("SOS"))


NEWER: dict[str, Any] = {
    "preprocessing": {"missing": "median", "clip": 3, "columns": {"a": {"scaling": "robust", "clip": 3}}},
    "threshold": {"method": "precision", "target": 0.9, "smoothing": 1},
}


def dataset() -> Dataset:
    columns = [{"name": "a", "type": "number"}, {"name": "label", "type": "integer"}]
    about = {"name": "orders", "version": "1", "n_rows": 9, "n_features": 2, "target_column": "label"}
    read = {"feature_columns": ["a"], "columns": columns, "sha256": "0" * 64, "size_bytes": 1}
    return Dataset.model_validate({**about, **read, "id": new_id(), "created_at": NOW, "updated_at": NOW})


def test_settings_that_a_newer_release_stored_are_read_without_what_this_one_does_not_know() -> None:
    found = train_spec(detector_of("IForest").model_copy(update=NEWER), dataset())
    assert (found.preprocessing.missing, found.preprocessing.columns["a"].scaling) == ("median", "robust")
    assert (found.threshold.method, found.threshold.target) == ("precision", 0.9)


def test_a_job_that_a_newer_release_asked_for_is_read_without_what_this_one_does_not_know() -> None:
    plain = train_spec(detector_of("IForest"), dataset()).model_dump(mode="json")
    found = TrainSpec.model_validate({**plain, **NEWER, "priority": 3})
    assert (found.preprocessing.missing, found.threshold.target) == ("median", 0.9)
    assert (found.dataset_name, found.dataset_sha256) == ("orders", "0" * 64)
