"""From a detector and a data set to what a job is to do. Refuses what the job would refuse, where that is known."""

from collections.abc import Sequence

from pynomaly_chassis.problems import Invalid
from pynomaly_contracts.base import from_storage
from pynomaly_contracts.datasets import Dataset
from pynomaly_contracts.detectors import DetectBatchRequest, Detector, Preprocessing
from pynomaly_contracts.thresholds import ThresholdChoice

from detector_service import domain, features
from detector_service.algorithms import BATCH, Algorithm, UnknownAlgorithm, get_algorithm
from detector_service.errors import AlgorithmNotHere, DataUnfit, DetectorForBatches, DetectorNotTrained
from detector_service.specs import ScoreItselfSpec, TrainSpec
from detector_service.training.batch_limits import check_rows


def is_for_batches(detector: Detector) -> bool:
    """Whether its algorithm scores a batch against itself."""
    return detector.algorithm in BATCH


def check_trainable(detector: Detector) -> None:
    """Raises DetectorForBatches, AlgorithmNotHere."""
    algorithm = _algorithm(detector)
    if algorithm.batch_only is None:
        return
    raise DetectorForBatches(
        f"{algorithm.name} scores a batch against itself: it {algorithm.batch_only}. There is nothing to train: "
        "POST /api/v1/detect/batch with detector_id scores a data set; online would be "
        f"{' or '.join(algorithm.instead)}"
    )


def trained_model(detector: Detector) -> str:
    """The id of its model, which needs no algorithm to score. Raises DetectorNotTrained, and as `check_trainable`."""
    if detector.model_id is None:
        check_trainable(detector)
        raise DetectorNotTrained(f"detector {detector.name!r} has no model yet; train it first")
    return str(detector.model_id)


def train_spec(detector: Detector, dataset: Dataset) -> TrainSpec:
    """Raises DataUnfit."""
    if dataset.n_rows < 2:
        message = f"data set {dataset.name!r} has {dataset.n_rows} row; training needs at least 2"
        raise DataUnfit.because([("body.dataset_id", str(dataset.id), message)])
    try:
        preprocessing = from_storage(Preprocessing, detector.preprocessing)
        columns, ignored = features.choose_features(
            dataset.columns, dataset.target_column, detector.feature_columns, preprocessing
        )
    except domain.Unfit as error:
        raise DataUnfit.because(error.refusals) from error
    return TrainSpec(
        dataset_id=dataset.id,
        dataset_version=dataset.version,
        feature_columns=[column.name for column in columns],
        columns=columns,
        preprocessing=preprocessing,
        ignored_columns=ignored,
        target_column=dataset.target_column,
        threshold=_threshold(detector, dataset),
        detector_id=detector.id,
        detector_name=detector.name,
        dataset_name=dataset.name,
        dataset_sha256=dataset.sha256,
        n_rows=dataset.n_rows,
        algorithm=detector.algorithm,
        contamination=detector.contamination,
        parameters=detector.parameters,
        seed=detector.seed,
    )


def score_itself_spec(detector: Detector, dataset: Dataset, wanted: DetectBatchRequest) -> ScoreItselfSpec:
    """Raises DataUnfit, and Invalid for a version, which such a detector has none of, or a threshold by labels."""
    algorithm = _algorithm(detector)
    if wanted.version is not None:
        message = f"{algorithm.name} has no versions: it scores a batch against itself; leave version out"
        raise Invalid.field("body.version", wanted.version, message)
    if from_storage(ThresholdChoice, detector.threshold).method != "contamination":
        message = f"detector {detector.name!r} of {algorithm.name} takes its threshold from contamination only"
        raise Invalid.field("threshold", detector.threshold, message)
    _check_rows(algorithm, dataset)
    return ScoreItselfSpec(
        **train_spec(detector, dataset).model_dump(),
        source_name=dataset.name,
        scored_name=wanted.name,
    )


def _algorithm(detector: Detector) -> Algorithm:
    try:
        return get_algorithm(detector.algorithm)
    except UnknownAlgorithm as error:
        raise AlgorithmNotHere(f"detector {detector.name!r}: {error}") from error


def _check_rows(algorithm: Algorithm, dataset: Dataset) -> None:
    try:
        check_rows(algorithm, dataset.n_rows)
    except domain.Unfit as error:
        raise DataUnfit.because([("body.dataset_id", str(dataset.id), str(error))]) from error


def _threshold(detector: Detector, dataset: Dataset) -> ThresholdChoice:
    choice = from_storage(ThresholdChoice, detector.threshold)
    if choice.method != "contamination" and dataset.target_column is None:
        message = (
            f"data set {dataset.name!r} has no target column, and detector {detector.name!r} chooses its threshold by "
            f"{choice.method} on labels; train on labelled data, or set the detector's threshold to contamination"
        )
        raise DataUnfit.because([("body.dataset_id", str(dataset.id), message)])
    return choice


def target_of(dataset: Dataset, ref: str) -> str:
    """The column of labels. Raises DataUnfit."""
    if dataset.target_column is None:
        message = f"data set {dataset.name!r} has no target column; evaluation compares with labels"
        raise DataUnfit.because([("body.dataset_id", ref, message)])
    return dataset.target_column


def check_columns(dataset: Dataset, names: Sequence[str]) -> None:
    """Their types are compared where the model is read. Raises DataUnfit."""
    try:
        features.check_names(dataset.columns, names)
    except domain.Unfit as error:
        raise DataUnfit.because(error.refusals) from error
