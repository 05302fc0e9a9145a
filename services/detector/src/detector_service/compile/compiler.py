"""From a fitted PyOD detector to one ONNX graph."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import TensorProto
from pynomaly_scoring import Rows

from detector_service.compile.calibration import add_tail, calibrate
from detector_service.compile.family import FloatMatrix, FloatVector
from detector_service.compile.graph import INPUT, OUTPUTS, Graph
from detector_service.compile.pipeline import Pipeline
from detector_service.compile.registry import FAMILIES
from detector_service.compile.run import run_graph
from detector_service.domain import Refusal, Unfit


class Source(NamedTuple):
    """What the features were made of: raw training rows, and how."""

    pipeline: Pipeline
    rows: Rows


@dataclass(frozen=True)
class CompiledDetector:
    """model: the graph, with the outputs of OUTPUTS. training_scores: (n,), what it is calibrated on.

    threshold: the raw score above which the graph says anomaly. n_reference: training rows that the graph holds to
    compare with; 0 where it needs none.
    """

    model: onnx.ModelProto
    threshold: float
    training_scores: FloatVector
    n_reference: int


def contaminated(scores: FloatVector) -> None:
    """No threshold but the contamination's."""


def compile_detector(
    estimator: Any,
    algorithm_name: str,
    training: FloatMatrix,
    source: Source | None = None,
    choose: Callable[[FloatVector], float | None] = contaminated,
    *,
    scores: FloatVector | None = None,
) -> CompiledDetector:
    """Compile a fitted PyOD detector. training: float64 (n_train, n_features), finite, what it was fitted on.

    source: the raw rows that `training` was made of, which the graph takes then; without, it takes the features.
    choose: the threshold for the training scores, (n_train,); None leaves it to the contamination.
    scores: the graph's own of all training rows, where `training` and `source` hold only some of them.
    Input `numeric` float64 (n_rows, n_numeric), and `text` (n_rows, n_text) where there are texts; outputs
    `raw_score`, `prediction`, `is_anomaly`, `confidence`, each (n_rows,). The same estimator and training give the
    same bytes. Memory grows with n_rows by what the model's metadata calls pynomaly.working_bytes_per_row (for
    neighbours 8 * n_train): score large data in blocks. Raises KeyError on an algorithm that FAMILIES lacks.
    """
    family = FAMILIES[algorithm_name]
    graph, features = _begin(training, source)
    raw = family.add_score(graph, features, estimator, training)
    graph.add_named(("raw_score",), "Squeeze", raw, graph.constant([1], np.int64))
    if scores is None:
        rows = training if source is None else source.rows
        scores = estimator.decision_scores_ if family.keeps_training_scores else _own_scores(graph, rows)
    chosen = choose(scores)
    n_flagged = None if chosen is None else int((scores > chosen).sum())
    threshold = float(estimator.threshold_) if chosen is None and family.fixed_threshold else chosen
    calibration = calibrate(scores, float(estimator.contamination), threshold, n_flagged=n_flagged)
    add_tail(graph, raw, calibration)
    return CompiledDetector(graph.model(OUTPUTS), calibration.threshold, scores, graph.n_reference)


def scoring_model(estimator: Any, algorithm_name: str, training: FloatMatrix, source: Source) -> onnx.ModelProto:
    """The graph as far as the output raw_score; arguments as those of `compile_detector`."""
    graph, features = _begin(training, source)
    raw = FAMILIES[algorithm_name].add_score(graph, features, estimator, training)
    graph.add_named(("raw_score",), "Squeeze", raw, graph.constant([1], np.int64))
    return graph.model({"raw_score": TensorProto.DOUBLE})


def _begin(training: FloatMatrix, source: Source | None) -> tuple[Graph, str]:
    """A graph and the name of the features in it."""
    if source is None:
        return Graph(training.shape[1]), INPUT
    graph = source.pipeline.graph()
    return graph, source.pipeline.add(graph).value


def _own_scores(graph: Graph, rows: FloatMatrix | Rows) -> FloatVector:
    """The training rows' scores by the graph itself: its ties are then ties to the last bit. Raises Unfit."""
    scores: FloatVector = run_graph(graph.model({"raw_score": TensorProto.DOUBLE}), rows)["raw_score"]
    check_finite(scores, 1)
    return scores


def check_finite(scores: FloatVector, first_row: int) -> None:
    """Raises Unfit naming the first row whose score is not finite. first_row: the number of the first score's row."""
    finite = np.isfinite(scores)
    if not finite.all():
        row = first_row + int(finite.argmin())
        message = f"row {row} has no finite score: its values are too large for the model's arithmetic; leave it out"
        raise Unfit(Refusal("dataset_id", None, message))
