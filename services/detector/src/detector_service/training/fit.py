"""From rows to a model that may be registered: fit, compile, verify, describe. Pure but for what PyOD computes."""

import hashlib
import json
import platform
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pynomaly_scoring import Manifest, Rows, ScoreDistribution
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no stubs

from detector_service.algorithms import Algorithm, create_estimator, get_algorithm
from detector_service.domain import N_NAMED, Refusal, Unfit
from detector_service.evaluation.paired import PairedFigures
from detector_service.evaluation.supervision import UNSUPERVISED, Supervision
from detector_service.training.limits import check_magnitude, check_request, check_size
from detector_service.training.request import FitRequest

if TYPE_CHECKING:
    from detector_service.compile import CompiledDetector, Family, Pipeline, Source

FloatMatrix = NDArray[np.float64]
FloatVector = NDArray[np.float64]
OnStage = Callable[[str, float], None]

PARITY = 1e-5  # of max(|score|, interquartile range of the training scores)
_EXACT = 1e-14  # what rounding leaves of a score of zero
_MAX_VERIFIED_ROWS = 1000
_MAX_VALUES_ALONE = 5_000_000  # stock ECOD and COPOD sort all training data again for each row that is scored alone
_BLOCK_ROWS = 65_536
_NAME_CHARS = 100  # of a feature, in a refusal: a category may be a long text
_QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)


class CompileMismatch(RuntimeError):
    """The graph does not score as the detector does: a defect of the compiler. Such a model is never handed out."""


@dataclass(frozen=True)
class TrainedDetector:
    """model: the ONNX graph. n_anomalies: training rows above the threshold. parity: the largest deviation from PyOD
    that was found, in units of what is allowed (< 1). paired: figures of samples of the rows, where they are labelled.
    """

    model: bytes
    manifest: Manifest
    n_anomalies: int
    parity: float
    paired: PairedFigures | None = None


def fit_detector(
    request: FitRequest, rows: FloatMatrix | Rows, on_stage: OnStage, supervision: Supervision = UNSUPERVISED
) -> TrainedDetector:
    """Train. rows: at least 2 raw ones; where no column is a text, their numbers alone (n_rows, n_columns) will do.

    supervision: the rows' labels, which the fit never sees, and what the threshold is to keep on them.
    on_stage(stage, progress): called as work proceeds with fit, compile, verify, done and the share done, in [0, 1].
    Raises Unfit, UnknownAlgorithm, InvalidParameter, CompileMismatch.
    """
    from detector_service.compile import Pipeline, Source, compile_detector  # noqa: PLC0415 - onnx, for training only

    algorithm = get_algorithm(request.algorithm)
    given = rows if isinstance(rows, Rows) else Rows(rows)
    source_rows = Rows(np.ascontiguousarray(given.numeric, np.float64), given.text)
    check_request(request, source_rows)
    on_stage("fit", 0.0)
    source = Source(Pipeline.fit(request.sources, source_rows), source_rows)
    features = source.pipeline.features(source_rows)
    check_size(request, *features.shape)
    estimator = create_estimator(algorithm, request.parameters, request.contamination, request.seed)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # what numpy and scikit-learn warn of is checked below, on the scores
        fit_estimator(estimator, algorithm, features, source.pipeline)
        on_stage("compile", 0.6)
        compiled = compile_detector(estimator, algorithm.name, features, source, supervision.choose)
        on_stage("verify", 0.8)
        parity = verify(estimator, algorithm, compiled, features, source)
    on_stage("done", 1.0)
    origin = Origin(source.pipeline, source_rows.n_rows, data_digest(source_rows, request.feature_names))
    return trained(request, origin, compiled, supervision, parity)


@dataclass(frozen=True)
class Origin:
    """All that was trained on: what made features of it, the count of its rows, and their digest (`data_digest`)."""

    pipeline: "Pipeline"
    n_rows: int
    digest: str


def trained(
    request: FitRequest, origin: Origin, compiled: "CompiledDetector", supervision: Supervision, parity: float
) -> TrainedDetector:
    """The model with its manifest."""
    from detector_service.compile import FAMILIES  # noqa: PLC0415

    scores, threshold = compiled.training_scores, compiled.threshold
    contamination = None if FAMILIES[request.algorithm].fixed_threshold else request.contamination
    with ThreadPoolExecutor(1) as beside:  # both draw a thousand samples, which takes as long as many a fit
        paired = beside.submit(supervision.paired, scores, threshold)
        manifest = _describe(request, origin, compiled, supervision.describe(scores, threshold, contamination))
        n_anomalies = int((scores > threshold).sum())
        model = compiled.model.SerializeToString(deterministic=True)
        return TrainedDetector(model, manifest, n_anomalies, parity, paired.result())


def begun_digest(feature_names: tuple[str, ...]) -> "hashlib._Hash":
    """The digest of `data_digest` before the first row: numbers may be added to it a block of rows at a time."""
    return hashlib.sha256(json.dumps(feature_names, ensure_ascii=False).encode() + b"\n")


def data_digest(rows: FloatMatrix | Rows, feature_names: tuple[str, ...]) -> str:
    """SHA-256, 64 hex digits, of what was trained on: the names as a JSON list and a newline; the numbers by row,
    little-endian float64; and the texts by column, each as a JSON string and a newline."""
    digest = begun_digest(feature_names)
    numeric, text = rows if isinstance(rows, Rows) else Rows(rows)
    digest.update(np.ascontiguousarray(numeric, "<f8").data)
    for column in () if text is None else text.T:
        for start in range(0, len(column), _BLOCK_ROWS):
            texts = column[start : start + _BLOCK_ROWS].tolist()
            digest.update(json.dumps(texts, separators=("\n", ":"))[1:-1].encode() + b"\n")
    return digest.hexdigest()


def fit_estimator(estimator: Any, algorithm: Algorithm, features: FloatMatrix, pipeline: "Pipeline") -> None:
    """Fit to features (n_rows, n_features), which are the pipeline's. Raises Unfit."""
    check_magnitude((algorithm.name, *getattr(estimator, "detectors", ())), features)
    try:
        with threadpool_limits(1, "openmp"):  # k-means adds up sums of its threads as they finish
            estimator.fit(features)
    except (ValueError, AssertionError, ArithmeticError) as error:
        message = f"{algorithm.name} cannot be fitted to this data with these parameters: {error}"
        raise Unfit(Refusal("dataset_id", None, message)) from error
    scores = estimator.decision_scores_
    if not np.isfinite([estimator.threshold_, scores.min(), scores.std()]).all():
        message = (
            f"{algorithm.name} gives no finite score on this data: columns that are constant, duplicates of each other "
            f"or of extreme scale can cause that; remove or rescale them, or choose another algorithm"
            f"{_what_is_constant(features, pipeline)}"
        )
        raise Unfit(Refusal("dataset_id", None, message))


def _what_is_constant(features: FloatMatrix, pipeline: "Pipeline") -> str:
    """Names the features that are the same in every row, and what keeps texts from becoming such."""
    constant, names = np.flatnonzero(np.ptp(features, axis=0) == 0)[:N_NAMED], pipeline.feature_names
    said = f". Constant here: {', '.join(names[number][:_NAME_CHARS] for number in constant)}" if len(constant) else ""
    if any(found.is_onehot for found in pipeline.categories):
        said += ". Of texts, preprocessing.categories as frequency makes one feature that varies"
    return said


def verify(
    estimator: Any,
    algorithm: Algorithm,
    compiled: "CompiledDetector",
    features: FloatMatrix,
    source: "Source | None" = None,
) -> float:
    """The largest deviation of the graph from PyOD on up to 1,000 training rows, in units of the tolerance.

    source: the raw rows of the features, where the graph takes those. Raises CompileMismatch where it is above 1.
    """
    from detector_service.compile import FAMILIES, run_graph  # noqa: PLC0415

    family = FAMILIES[algorithm.name]
    chosen = _verified(family, features)
    ours = run_graph(compiled.model, features[chosen] if source is None else _taken(source.rows, chosen))["raw_score"]
    rows = features[chosen]
    reference = family.reference_scores(estimator, rows)
    allowed = tolerance(reference, compiled.training_scores) + family.doubt(estimator, rows)
    deviation = float((np.abs(ours - reference) / allowed).max())
    if not deviation <= 1:
        raise CompileMismatch(f"{algorithm.name}: the graph is {deviation:.3g} times the tolerance away from PyOD")
    return deviation


def tolerance(scores: FloatVector, training_scores: FloatVector) -> FloatVector:
    """How far a graph may be from PyOD at each of `scores`; both (n,) and (n_train,)."""
    spread = float(np.subtract(*np.quantile(training_scores, (0.75, 0.25))))
    return np.maximum(PARITY * np.maximum(np.abs(scores), spread), _EXACT)


def _verified(family: "Family", features: FloatMatrix) -> NDArray[np.int64]:
    """Numbers of the rows that are compared."""
    n_rows = _MAX_VERIFIED_ROWS
    if family.scored_alone:
        n_rows = min(n_rows, max(16, _MAX_VALUES_ALONE // features.size))
    return np.unique(np.linspace(0, len(features) - 1, n_rows).astype(np.int64))


def _taken(rows: Rows, numbers: NDArray[np.int64]) -> Rows:
    return Rows(rows.numeric[numbers], None if rows.text is None else rows.text[numbers])


def _describe(request: FitRequest, origin: Origin, compiled: "CompiledDetector", found: Mapping[str, Any]) -> Manifest:
    """found: what more is known of threshold and labels."""
    return Manifest(
        **found,
        algorithm=request.algorithm,
        parameters={**get_algorithm(request.algorithm).defaults, **request.parameters},
        feature_names=request.feature_names,
        n_features=len(request.feature_names),
        contamination=float(request.contamination),
        threshold=compiled.threshold,
        n_train=origin.n_rows,
        seed=request.seed,
        data_digest=origin.digest,
        dataset_id=request.dataset_id,
        dataset_version=request.dataset_version,
        score_distribution=_distribution(compiled.training_scores),
        versions=_versions(),
        columns=origin.pipeline.inputs,
        preprocessing=_about_preprocessing(request, origin.pipeline),
        lineage=request.lineage,
        n_reference=compiled.n_reference or None,
    )


def _about_preprocessing(request: FitRequest, pipeline: "Pipeline") -> dict[str, Any]:
    """Nothing where the features are the raw columns."""
    return {"settings": dict(request.preprocessing), **found} if (found := pipeline.describe()) else {}


def _distribution(scores: FloatVector) -> ScoreDistribution:
    quantiles = dict(zip(map(str, _QUANTILES), np.quantile(scores, _QUANTILES).tolist(), strict=True))
    return ScoreDistribution(
        min=float(scores.min()),
        max=float(scores.max()),
        mean=float(scores.mean()),
        std=float(scores.std()),
        quantiles=quantiles,
    )


def _versions() -> dict[str, str]:
    packages = {"pynomaly": "pynomaly-detector-service", "sklearn": "scikit-learn"}
    names = ("pynomaly", "pyod", "sklearn", "numpy", "onnx")
    return {**{name: version(packages.get(name, name)) for name in names}, "python": platform.python_version()}
