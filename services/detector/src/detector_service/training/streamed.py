"""Training a detector that learns from a few rows, without ever holding the others.

The first pass over the rows takes those that the algorithm draws; where a column's preprocessing is learned from its
values, the second fits it, to a column at a time. The last scores every row with the compiled graph, for threshold,
calibration and figures. The model is that of a fit in memory, but for rounding.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pynomaly_scoring import Rows

from detector_service.algorithms import create_estimator, get_algorithm
from detector_service.evaluation.supervision import Supervision
from detector_service.features import SourceColumn
from detector_service.training.fit import OnStage, Origin, TrainedDetector, begun_digest, trained, verify
from detector_service.training.in_order import in_order
from detector_service.training.limits import check_request, check_size
from detector_service.training.request import FitRequest
from detector_service.training.subsampling import SUBSAMPLERS

if TYPE_CHECKING:
    from detector_service.compile import Pipeline, Source

FloatMatrix = NDArray[np.float64]
FloatVector = NDArray[np.float64]
IntVector = NDArray[np.int64]
Score = Callable[[FloatMatrix], FloatVector]


class RowStream(NamedTuple):
    """blocks: begins a pass over all rows, in order. size: of a block, in rows. numbers: makes (n, n_columns) numbers
    of a block, or of its rows at these places, on any thread. folder: for a file per column."""

    blocks: Callable[[], Iterator[Any]]
    size: Callable[[Any], int]
    numbers: Callable[[Any, IntVector | None], FloatMatrix]
    n_rows: int
    folder: Path
    n_threads: int

    def numbered(self) -> Iterator[tuple[int, Any]]:
        """A pass over the blocks, each with the number of its first row, from 0."""
        first = 0
        for block in self.blocks():
            yield first, block
            first += self.size(block)


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
        drawn = subsampler.draw(estimator, stream.n_rows, len(request.sources))
        sampled = _taken(stream, drawn)
        check = _Check(request.sources)
        if not check.holds(sampled):
            _refuse(stream, check)
        source = Source(_pipeline(request, stream), Rows(sampled))
        features = source.pipeline.features(source.rows)
        check_size(request, stream.n_rows, features.shape[1])
        on_stage("fit", 0.2)
        subsampler.fit(estimator, drawn, features, stream.n_rows)
        on_stage("score", 0.25)
        score = _scoring(estimator, algorithm.name, features, source)
        scores, digest = _scored(stream, score, check, request, on_stage)
        scores += subsampler.shift(estimator, scores)
        estimator.decision_scores_ = scores
        estimator._process_decision_scores()  # noqa: SLF001 - as PyOD's own fit ends
        on_stage("compile", 0.8)
        compiled = compile_detector(estimator, algorithm.name, features, source, supervision.choose, scores=scores)
        on_stage("verify", 0.9)
        parity = verify(estimator, algorithm, compiled, features, source)
    on_stage("done", 1.0)
    return trained(request, Origin(source.pipeline, stream.n_rows, digest), compiled, supervision, parity)


def _taken(stream: RowStream, numbers: IntVector) -> FloatMatrix:
    """The rows of these numbers, from 0, ascending."""
    taken, end = [], 0
    for first, block in stream.numbered():
        end = first + stream.size(block)
        wanted = slice(*np.searchsorted(numbers, (first, end)))
        taken.append(stream.numbers(block, numbers[wanted] - first))
    if end != stream.n_rows:
        raise RuntimeError(f"the data set has {end} rows, not {stream.n_rows}")
    return np.concatenate(taken)


def _is_learned(column: SourceColumn) -> bool:
    """Whether its preprocessing depends on its values."""
    return column.missing != "reject" or column.scaling != "none"


class _Check:
    """That the columns of which nothing is learned, and which nothing fills, hold numbers alone."""

    def __init__(self, columns: Sequence[SourceColumn]) -> None:
        self._columns = columns
        self._numbers = [number for number, column in enumerate(columns) if not _is_learned(column)]

    def holds(self, rows: FloatMatrix) -> bool:
        return bool(np.isfinite(rows.sum(axis=0)[self._numbers]).all())

    def refuse(self, rows: FloatMatrix, first: int) -> None:
        """Raises Unfit naming the first column with another value, and the row, if there is one. first: from 0."""
        from detector_service.compile.pipeline import check_values  # noqa: PLC0415 - onnx

        if self.holds(rows):
            return
        for number in self._numbers:
            values = rows[:, number]
            check_values(self._columns[number], values, np.isnan(values), first_row=first + 1)


def _refuse(stream: RowStream, check: _Check) -> None:
    """Raises Unfit naming the first value that cannot be taken; there is none where only a sum is too large."""
    for first, block in stream.numbered():
        check.refuse(stream.numbers(block, None), first)


class _Column:
    """One column as it passes, kept in a file until it is whole.

    The file is opened for each block: there may be more columns than a process may have files open.
    """

    def __init__(self, number: int, column: SourceColumn, folder: Path) -> None:
        self._number, self._column = number, column
        self._path = folder / f"column-{number}.f64"

    def add(self, block: FloatMatrix) -> None:
        with self._path.open("ab") as file:
            file.write(np.ascontiguousarray(block[:, self._number]).data)

    def pipeline(self) -> "Pipeline":
        """That of this column alone."""
        from detector_service.compile import Pipeline  # noqa: PLC0415 - onnx

        values = np.fromfile(self._path, np.float64) if _is_learned(self._column) else np.zeros(1)
        self._path.unlink(missing_ok=True)
        return Pipeline.fit((self._column,), Rows(values.reshape(-1, 1)))


def _pipeline(request: FitRequest, stream: RowStream) -> "Pipeline":
    """Fitted to each column by itself. Raises Unfit."""
    from detector_service.compile import Pipeline  # noqa: PLC0415 - onnx

    columns = [_Column(number, column, stream.folder) for number, column in enumerate(request.sources)]
    learned = [kept for kept, column in zip(columns, request.sources, strict=True) if _is_learned(column)]
    if learned:
        for block in in_order(stream.n_threads, lambda block: stream.numbers(block, None), stream.blocks()):
            for column in learned:
                column.add(block)
    return Pipeline.joined(request.sources, [column.pipeline() for column in columns])


def _scoring(estimator: Any, algorithm_name: str, features: FloatMatrix, source: "Source") -> Score:
    """Raw rows to the graph's scores of them."""
    from detector_service.compile import GraphRun, scoring_model  # noqa: PLC0415 - onnx

    run = GraphRun(scoring_model(estimator, algorithm_name, features, source))
    return lambda rows: run(rows)["raw_score"]


def _scored(
    stream: RowStream, score: Score, check: _Check, request: FitRequest, on_stage: OnStage
) -> tuple[FloatVector, str]:
    """The pass that scores: every row's, (n_rows,), and the rows' digest. Raises Unfit naming the first row without."""
    from detector_service.compile import check_finite  # noqa: PLC0415 - onnx

    def of_block(item: tuple[int, Any]) -> tuple[FloatMatrix, FloatVector]:
        first, block = item
        rows = stream.numbers(block, None)
        check.refuse(rows, first)
        return rows, score(rows)

    scores, digest, done = np.empty(stream.n_rows), begun_digest(request.feature_names), 0
    for rows, found in in_order(stream.n_threads, of_block, stream.numbered()):
        check_finite(found, done + 1)
        digest.update(rows.data)
        scores[done : done + len(found)] = found
        done += len(found)
        on_stage("score", 0.25 + 0.55 * done / stream.n_rows)
    return scores, digest.hexdigest()
