"""Thresholds that reach a target on labelled rows. Pure: numpy in, numbers out."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from typing import Literal, NamedTuple

import numpy as np

from detector_service.domain import Refusal, Unfit
from detector_service.evaluation.intervals import TAIL, Interval, joined, pools, resampled
from detector_service.evaluation.metrics import BoolVector, FloatArray, FloatVector, IntArray, Ranking

ROUNDING = 1e-12  # of max(|score|, interquartile range): scores so close are ties


class Target(NamedTuple):
    """What a threshold is to keep: at least this precision, or at most this false-alarm rate; share: in (0, 1]."""

    method: Literal["precision", "false_alarm_rate"]
    share: float


class _Cuts(NamedTuple):
    """Every place where labelled scores can be cut. thresholds: (n_groups,), the one just below each group."""

    ranking: Ranking
    thresholds: FloatVector


def rounding(scores: FloatVector, spread: float) -> FloatVector:
    """How far from each score, (n,), another may be by rounding alone. spread: interquartile range of all scores."""
    return ROUNDING * np.maximum(np.abs(scores), spread)


def choose_threshold(labels: BoolVector, scores: FloatVector, target: Target) -> float:
    """The threshold of most hits that keeps the target, and of those the one of fewest false alarms.

    labels, scores: (n_rows,), with both kinds of rows. A score above the threshold is called an anomaly; it lies
    halfway between two scores, so that no row's verdict hangs on rounding. Raises Unfit, with the best value that can
    be reached, where no threshold that finds an anomaly keeps the target.
    """
    cuts = _cuts(labels, scores)
    best = int(_best(cuts.ranking, target))
    if best < 0:
        raise Unfit(Refusal("threshold.target", target.share, _out_of_reach(cuts.ranking, target)))
    return float(cuts.thresholds[best])


def threshold_interval(labels: BoolVector, scores: FloatVector, target: Target, seed: int) -> Interval | None:
    """95 % of the thresholds chosen in 1,000 bootstrap samples, anomalies and normal rows drawn apart, lie in it.

    As Efron & Tibshirani (1993), section 13.3, have percentile intervals. None where over 2.5 % of the samples cannot
    keep the target.
    """
    ranking, thresholds = _cuts(labels, scores)
    starts = pools(ranking)
    below = np.append(thresholds[np.append(starts[1:], len(thresholds)) - 1], np.inf)  # the last one for -1: none
    random = np.random.default_rng(seed)
    chosen = [below[_best(sample, target)] for sample in resampled(joined(ranking, starts), random)]
    low, high = np.quantile(np.concatenate(chosen), (TAIL, 1 - TAIL), method="inverted_cdf").tolist()
    return None if high == np.inf else (low, high)


def _cuts(labels: BoolVector, scores: FloatVector) -> _Cuts:
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    spread = float(np.subtract(*np.quantile(scores, (0.75, 0.25))))
    apart = falling[:-1] - falling[1:] > rounding(falling[1:], spread)
    starts = np.concatenate(([0], np.flatnonzero(apart) + 1))
    anomalies = np.add.reduceat(labels[order], starts, dtype=np.int64)
    normals = np.diff(starts, append=len(scores)) - anomalies
    lowest, next_highest = falling[np.append(starts[1:], len(scores)) - 1], falling[starts[1:]]
    last = lowest[-1:] - np.maximum(rounding(lowest[-1:], spread), np.spacing(lowest[-1:]))
    halfway = next_highest + (lowest[:-1] - next_highest) / 2
    halfway = np.clip(halfway, next_highest, np.nextafter(lowest[:-1], -np.inf))
    return _Cuts(Ranking(anomalies, normals), np.concatenate((halfway, last)))


def _best(ranking: Ranking, target: Target) -> IntArray:
    """The last group above the threshold, (...), in each sample; -1 where the target is out of reach."""
    hits = ranking.anomalies.cumsum(-1)
    reached = _reached(ranking, target)
    kept = reached >= target.share if target.method == "precision" else reached <= target.share
    kept_hits = np.where(kept, hits, 0)
    most = kept_hits.max(-1, keepdims=True)
    return np.where(most[..., 0] > 0, np.argmax(kept_hits == most, -1), -1)


def _reached(ranking: Ranking, target: Target) -> FloatArray:
    """The precision or the false-alarm rate of each cut, (..., n_groups)."""
    hits, false_alarms = ranking.anomalies.cumsum(-1), ranking.normals.cumsum(-1)
    whole = np.maximum(hits + false_alarms, 1) if target.method == "precision" else ranking.n_normals[..., np.newaxis]
    share: FloatArray = (hits if target.method == "precision" else false_alarms) / whole
    return share


def _out_of_reach(ranking: Ranking, target: Target) -> str:
    hits = ranking.anomalies.cumsum(-1)
    reached = _reached(ranking, target)[hits > 0]
    best = int(reached.argmax() if target.method == "precision" else reached.argmin())
    name = "precision" if target.method == "precision" else "false-alarm rate"
    found = f"{hits[hits > 0][best]} of {hits[-1]} anomalies"
    return (
        f"no threshold reaches a {name} of {target.share:g} on the labelled rows: the best is "
        f"{_within_reach(float(reached[best]), target)}, which finds {found}; set the target there, or choose other "
        "features, parameters or another algorithm"
    )


def _within_reach(best: float, target: Target) -> str:
    """In four digits that are no better than the best: who takes them as the target reaches it."""
    text, is_precision = f"{best:.4g}", target.method == "precision"
    if (float(text) > best) if is_precision else (float(text) < best):
        text = str(Context(4, ROUND_FLOOR if is_precision else ROUND_CEILING).create_decimal_from_float(best))
    return text
