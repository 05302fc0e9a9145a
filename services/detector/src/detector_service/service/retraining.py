"""The next version as the one before: what it is trained on, and what it follows, pinned when it was asked for."""

from pynomaly_contracts.datasets import Dataset
from pynomaly_contracts.detectors import Detector, RetrainRequest
from pynomaly_contracts.figures import Figures
from pynomaly_contracts.models import ModelVersion

from detector_service.algorithms import get_algorithm
from detector_service.clients import DatasetClient, ModelClient
from detector_service.errors import DatasetNotFound, DetectorNotTrained, ModelNotFound
from detector_service.service.pinning import check_trainable, train_spec, trained_model
from detector_service.specs import Before, TrainSpec


async def retrain_spec(
    datasets: DatasetClient, models: ModelClient, detector: Detector, wanted: RetrainRequest
) -> TrainSpec:
    """Raises DetectorNotTrained, DetectorForBatches, DatasetNotFound, DataUnfit, PeerUnavailable."""
    check_trainable(detector)
    before = await _latest(models, detector)
    spec = train_spec(detector, await _dataset(datasets, wanted, before))
    told = Before(
        model_id=before.model_id,
        model_version=before.version,
        dataset_id=before.dataset_id,
        dataset_version=before.dataset_version,
        threshold=before.threshold,
        metrics=Figures.model_validate(before.metrics) if before.metrics else None,
        settings_changed=_changed(spec, detector, before),
    )
    return spec.model_copy(update={"before": told})


async def _latest(models: ModelClient, detector: Detector) -> ModelVersion:
    try:
        return await models.version(trained_model(detector), detector.latest_version)
    except ModelNotFound as error:
        message = f"the model of detector {detector.name!r} is gone: {error}; train it anew instead"
        raise DetectorNotTrained(message) from error


async def _dataset(datasets: DatasetClient, wanted: RetrainRequest, before: ModelVersion) -> Dataset:
    """The one that is asked for, else that of the version before."""
    if wanted.dataset_id is not None:
        return await datasets.get(wanted.dataset_id, wanted.dataset_version)
    try:
        return await datasets.get(str(before.dataset_id), wanted.dataset_version)
    except DatasetNotFound as error:
        message = f"version {before.version} was trained on it: {error}; name another with dataset_id"
        raise DatasetNotFound(message, errors=error.errors) from error


def _changed(spec: TrainSpec, detector: Detector, before: ModelVersion) -> list[str]:
    """Of what the model's version tells."""
    parameters = {**get_algorithm(detector.algorithm).defaults, **detector.parameters}
    now_and_then = {
        "contamination": (spec.contamination, before.contamination),
        "parameters": (parameters, before.parameters),
        "feature_columns": (spec.feature_columns, before.feature_names),
        "seed": (spec.seed, before.seed),
    }
    return [name for name, (now, then) in now_and_then.items() if now != then]
