"""The tail that every graph shares: from the raw score to prediction, is_anomaly and confidence."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from detector_service.compile.graph import Graph
from detector_service.compile.trees import FloatVector, StepFunction, add_tree_ensemble, balanced_tree
from detector_service.evaluation.thresholds import rounding

MAX_KNOTS = 4096
_FLATTER = 1.0 - 1e-12  # so that rounding never lifts a segment's end above the next knot


@dataclass(frozen=True)
class Calibration:
    """What the training scores say of a raw score s. Segment i holds s from knot i - 1 to knot i.

    threshold: s above it is an anomaly. borders: (n_knots,), s <= borders[i] lies in segment <= i. starts, positions,
    slopes: (n_knots + 1,), prediction = positions + slopes * (s - starts). outlier_probability: (n_knots + 1,), ExCeeD.
    """

    threshold: float
    borders: FloatVector
    starts: FloatVector
    positions: FloatVector
    slopes: FloatVector
    outlier_probability: FloatVector


def calibrate(
    training_scores: FloatVector,
    contamination: float,
    fixed_threshold: float | None = None,
    *,
    n_flagged: int | None = None,
) -> Calibration:
    """The calibration of a detector whose training rows scored `training_scores`, (n_train,), finite.

    The threshold is the fixed one, or PyOD's: the (1 - contamination) quantile, raised by rounding, so that a training
    row on it is no anomaly. The position of a score is the mean of the shares of training rows below it and
    not above it, linear between at most 4,096 knots. Every distinct score is a knot where there are no more of them.
    n_flagged: how many of n_train rows lie above the threshold, for the confidence; without, the contamination's share.
    """
    spread = float(np.subtract(*np.quantile(training_scores, (0.75, 0.25))))
    threshold = fixed_threshold
    if threshold is None:
        quantile = np.quantile(training_scores, [1.0 - contamination])
        threshold = float((quantile + rounding(quantile, spread))[0])
    if n_flagged is None:
        n_flagged = int(len(training_scores) * contamination)
    scores, counts = _distinct(training_scores, spread)
    at_most = np.cumsum(counts, dtype=np.float64)  # whole numbers, exact
    n = int(at_most[-1])
    positions = (at_most - counts / 2) / n
    kept = _knots(positions, lambda chosen: outlier_probability(at_most[chosen], n, n_flagged))
    scores, positions = scores[kept], positions[kept]
    return Calibration(
        threshold=threshold,
        borders=np.nextafter(scores - rounding(scores, spread), -np.inf),
        starts=np.concatenate((scores[:1], scores)),
        positions=np.concatenate((positions[:1], positions)),
        slopes=np.concatenate(([0.0], _slopes(scores, positions), [0.0])),
        outlier_probability=outlier_probability(np.concatenate(([0], at_most[kept])), n, n_flagged),
    )


def outlier_probability(at_most: FloatVector, n_train: int, n_flagged: int) -> FloatVector:
    """Probability that a row with `at_most` training scores <= its own is called an anomaly on other training data.

    Perini, Vercruyssen & Davis (2020), "Quantifying the Confidence of Anomaly Detectors in Their Example-Wise
    Predictions", as BaseDetector.predict_confidence has it, where the detector calls n_flagged of n_train rows one.
    at_most: (m,), in 0..n_train.
    """
    from scipy.stats import binom  # noqa: PLC0415 - a second of import that only fitting needs

    posterior = (1 + at_most) / (2 + n_train)
    probability: FloatVector = 1 - binom.cdf(n_train - n_flagged, n_train, posterior)
    return probability


def _distinct(training_scores: FloatVector, spread: float) -> tuple[FloatVector, NDArray[np.int64]]:
    """The distinct scores, ascending, and how many rows have each; scores that differ by rounding alone are one."""
    scores, counts = np.unique(training_scores, return_counts=True)
    gaps = np.diff(scores, prepend=-np.inf)
    first_of_group = np.flatnonzero(gaps > rounding(scores, spread))
    return scores[first_of_group], np.add.reduceat(counts, first_of_group)


def _knots(positions: FloatVector, probability: Callable[[NDArray[np.int64]], FloatVector]) -> NDArray[np.int64]:
    """Which distinct scores become knots: all, or so that neither curve moves by more than 2 / 4,094 between two.

    probability: of those at these places, which grows with the place. Each bucket's first is found by bisection: of
    millions of scores, most probabilities are never computed.
    """
    n = len(positions)
    if n <= MAX_KNOTS:
        return np.arange(n)
    buckets = np.arange(MAX_KNOTS - 1, dtype=np.float64)
    first, end = np.zeros(len(buckets), np.int64), np.full(len(buckets), n)
    while (first < end).any():
        middle = np.minimum((first + end) // 2, n - 1)
        is_below = np.floor((positions[middle] + probability(middle)) / 2 * (MAX_KNOTS - 2)) < buckets
        is_open = first < end
        first = np.where(is_open & is_below, middle + 1, first)
        end = np.where(is_open & ~is_below, middle, end)
    return np.union1d(first[first < n], [n - 1])


def _slopes(scores: FloatVector, positions: FloatVector) -> FloatVector:
    with np.errstate(over="ignore"):
        slopes = np.diff(positions) / np.diff(scores) * _FLATTER
    return np.minimum(slopes, np.finfo(np.float64).max)


def add_tail(graph: Graph, raw: str, calibration: Calibration) -> None:
    """Add prediction, is_anomaly and confidence, from `raw` (n_rows, 1) and the output raw_score."""
    score = "raw_score"
    (anomaly,) = graph.add_named(("is_anomaly",), "Greater", score, graph.constant(calibration.threshold))
    segments = StepFunction(calibration.borders, np.arange(len(calibration.starts), dtype=np.float64))
    found = add_tree_ensemble(graph, raw, [balanced_tree(segments, 0)])
    segment = graph.add("Squeeze", graph.add("Cast", found, to=TensorProto.INT64), graph.constant([1], np.int64))

    beyond = graph.add("Sub", score, graph.add("Gather", graph.constant(calibration.starts), segment))
    rise = graph.add("Gather", graph.constant(calibration.slopes), segment)
    above = graph.add("Mul", graph.add("Max", beyond, graph.constant(0.0)), rise)
    base = graph.add("Gather", graph.constant(calibration.positions), segment)
    graph.add_named(("prediction",), "Add", base, above)

    outlier = graph.add("Gather", graph.constant(calibration.outlier_probability), segment)
    inlier = graph.add("Sub", graph.constant(1.0), outlier)
    graph.add_named(("confidence",), "Where", anomaly, outlier, inlier)
