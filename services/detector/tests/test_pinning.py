"""What a detector and a data set make of a request, where the installation is another than it was."""

from datetime import UTC, datetime

import pytest
from detector_service.errors import AlgorithmNotHere, DetectorNotTrained
from detector_service.pinning import check_trainable, is_for_batches, trained_model
from pynomaly_chassis.ids import new_id
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
