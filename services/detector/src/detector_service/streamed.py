"""Training a detector that learns from a few rows, without ever holding the others.

Two passes over the rows. The first takes the rows that the algorithm draws, and fits the preprocessing to each column
by itself; the second scores every row with the compiled graph, for threshold, calibration and figures. The model is
that of a fit in memory, but for rounding.
"""

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pynomaly_scoring import Rows

from detector_service.algorithms import create_estimator, get_algorithm
from detector_service.child.in_order import in_order
from detector_service.features import SourceColumn
from detector_service.limits import check_request, check_size
from detector_service.subsampling import SUBSAMPLERS
from detector_service.supervision import Supervision
from detector_service.training import FitRequest, OnStage, Origin, TrainedDetector, begun_digest, trained, verify

if TYPE_CHECKING:
    from detector_service.compile import Pipeline, Source

FloatMatrix = NDArray[np.float64]
FloatVector = NDArray[np.float64]
IntVector = NDArray[np.int64]
Score = Callable[[FloatMatrix], FloatVector]


class RowStream(NamedTuple):
    """blocks: begins a pass over all rows, in order. numbers: makes (n, n_columns) numbers of a block, on any thread.
    folder: for a file per column."""

    blocks: Callable[[], Iterator[Any]]
    numbers: Callable[[Any], FloatMatrix]
    n_rows: int
    folder: Path
    n_threads: int


def fit_streamed(
    request: FitRequest, stream: RowStream, on_stage: OnStage, supervision: Supervision
) -> TrainedDetector:
    """As `fit_detector`, of an algorithm that SUBSAMPLERS has, on columns that are no texts."""
    from detector_service.compile import Source, compile_detector  # noqa: PLC0415 - onnx

    algorithm, subsampler = get_algorithm(request.algorithm), SUBSAMPLERS[request.algorithm]
    check_request(request, Rows(np.broadcast_to(0.0, (stream.n_rows, len(request.feature_names)))))
    estimator = create_estimator(algorithm, request.parameters, request.contamination, request.seed)
    on_stage("survey", 0.0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        sampled, origin = _survey(request, stream, estimator)
        source = Source(origin.pipeline, Rows(sampled.rows))
        features = source.pipeline.features(source.rows)
        check_size(request, stream.n_rows, features.shape[1])
        on_stage("fit", 0.3)
        subsampler.fit(estimator, sampled.numbers, features, stream.n_rows)
        on_stage("score", 0.35)
        scores = _scores(_scoring(estimator, algorithm.name, features, source), stream, on_stage)
        scores += subsampler.shift(estimator, scores)
        estimator.decision_scores_ = scores
        estimator._process_decision_scores()  # noqa: SLF001 - as PyOD's own fit ends
        on_stage("compile", 0.8)
        compiled = compile_detector(estimator, algorithm.name, features, source, supervision.choose, scores=scores)
        on_stage("verify", 0.9)
        parity = verify(estimator, algorithm, compiled, features, source)
    on_stage("done", 1.0)
    return trained(request, origin, compiled, supervision, parity)


class _Sample(NamedTuple):
    """numbers: of the rows, from 0, ascending, (n,); rows: (n, n_columns)."""

    numbers: IntVector
    rows: FloatMatrix


def _survey(request: FitRequest, stream: RowStream, estimator: Any) -> tuple[_Sample, Origin]:
    """The rows that the estimator draws, and what is to be known of all. Raises Unfit naming a column and row."""
    numbers = SUBSAMPLERS[request.algorithm].draw(estimator, stream.n_rows, len(request.sources))
    digest, taken, first = begun_digest(request.feature_names), [], 0
    columns = [_Column(number, column, stream.folder) for number, column in enumerate(request.sources)]
    for block in in_order(stream.n_threads, stream.numbers, stream.blocks()):
        for column in columns:
            column.add(block, first)
        digest.update(block.data)
        begin, end = np.searchsorted(numbers, (first, first + len(block)))
        taken.append(block[numbers[begin:end] - first])
        first += len(block)
    if first != stream.n_rows:
        raise RuntimeError(f"the data set has {first} rows, not {stream.n_rows}")
    pipeline = _pipeline(request, columns)
    return _Sample(numbers, np.concatenate(taken)), Origin(pipeline, first, digest.hexdigest())


class _Column:
    """One column as it passes: checked at once where that is all, else kept in a file until it is whole.

    The file is opened for each block: there may be more columns than a process may have files open.
    """

    def __init__(self, number: int, column: SourceColumn, folder: Path) -> None:
        self._number, self._column = number, column
        self._path = folder / f"column-{number}.f64"
        self._is_learned = column.missing != "reject" or column.scaling != "none"

    def add(self, block: FloatMatrix, first: int) -> None:
        from detector_service.compile.pipeline import check_values  # noqa: PLC0415 - onnx

        values = np.ascontiguousarray(block[:, self._number])
        if self._is_learned:
            with self._path.open("ab") as file:
                file.write(values.data)
        elif len(values) and not np.isfinite(values.sum()):
            check_values(self._column, values, np.isnan(values), first_row=first + 1)

    def pipeline(self) -> "Pipeline":
        """That of this column alone."""
        from detector_service.compile import Pipeline  # noqa: PLC0415 - onnx

        values = np.fromfile(self._path, np.float64) if self._is_learned else np.zeros(1)
        self._path.unlink(missing_ok=True)
        return Pipeline.fit((self._column,), Rows(values.reshape(-1, 1)))


def _pipeline(request: FitRequest, columns: list[_Column]) -> "Pipeline":
    from detector_service.compile import Pipeline  # noqa: PLC0415 - onnx

    return Pipeline.joined(request.sources, [column.pipeline() for column in columns])


def _scoring(estimator: Any, algorithm_name: str, features: FloatMatrix, source: "Source") -> Score:
    """Raw rows to the graph's scores of them."""
    from detector_service.compile import GraphRun, forest_pass, scoring_model  # noqa: PLC0415 - onnx

    if algorithm_name == "IForest" and source.pipeline.is_empty and (fast := forest_pass(estimator)) is not None:
        return fast
    run = GraphRun(scoring_model(estimator, algorithm_name, features, source))
    return lambda rows: run(rows)["raw_score"]


def _scores(score: Score, stream: RowStream, on_stage: OnStage) -> FloatVector:
    """Of every row, (n_rows,). Raises Unfit naming the first row whose score is not finite."""
    from detector_service.compile import check_finite  # noqa: PLC0415 - onnx

    scores, done = np.empty(stream.n_rows), 0
    for found in in_order(stream.n_threads, lambda block: score(stream.numbers(block)), stream.blocks()):
        check_finite(found, done + 1)
        scores[done : done + len(found)] = found
        done += len(found)
        on_stage("score", 0.35 + 0.45 * done / stream.n_rows)
    return scores
