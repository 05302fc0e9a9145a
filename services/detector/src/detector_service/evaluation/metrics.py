"""How well scores and verdicts agree with labels. Pure: counts in, figures out, of many samples at once."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BoolVector = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
FloatVector = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Ranking(NamedTuple):
    """Rows by score, from the highest; rows of one score are one group.

    anomalies, normals: (..., n_groups), how many of either a group has; each sample has both kinds.
    """

    anomalies: IntArray
    normals: IntArray

    @property
    def n_anomalies(self) -> IntArray:
        """(...), of each sample."""
        total: IntArray = self.anomalies.sum(-1)
        return total

    @property
    def n_normals(self) -> IntArray:
        """(...), of each sample."""
        total: IntArray = self.normals.sum(-1)
        return total


class Verdicts(NamedTuple):
    """Rows that are called anomalies, (...), of n_anomalies and n_normals: hits are anomalies, false_alarms are not.

    n_anomalies, n_normals: the same of all samples, or (...), of each.
    """

    hits: IntArray
    false_alarms: IntArray
    n_anomalies: int | IntArray
    n_normals: int | IntArray


def rank(labels: BoolVector, scores: FloatVector) -> Ranking:
    """labels, scores: (n_rows,); True is an anomaly."""
    order = np.argsort(-scores, kind="stable")
    first_of_tie = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    anomalies = np.add.reduceat(labels[order], first_of_tie, dtype=np.int64)
    return Ranking(anomalies, np.diff(first_of_tie, append=len(scores)) - anomalies)


def judge(labels: BoolVector, verdicts: BoolVector) -> Verdicts:
    """labels, verdicts: (n_rows,); True is an anomaly."""
    n_anomalies = int(labels.sum())
    hits = np.array((labels & verdicts).sum())
    false_alarms = np.array((~labels & verdicts).sum())
    return Verdicts(hits, false_alarms, n_anomalies, len(labels) - n_anomalies)


def roc_auc(ranking: Ranking) -> FloatArray:
    """Probability that an anomaly scores above a normal row, ties counting half (Mann & Whitney, 1947). In [0, 1]."""
    anomalies = ranking.anomalies
    above = anomalies.cumsum(-1) - anomalies / 2
    area: FloatArray = (ranking.normals * above).sum(-1) / (ranking.n_anomalies * ranking.n_normals)
    return area


def average_precision(ranking: Ranking) -> FloatArray:
    """Sum over the scores, from the highest, of the step in recall times the precision there. In (0, 1].

    As scikit-learn's average_precision_score: no interpolation.
    """
    hits = ranking.anomalies.cumsum(-1)
    precision = hits / np.maximum(hits + ranking.normals.cumsum(-1), 1)
    found: FloatArray = (ranking.anomalies * precision).sum(-1) / ranking.n_anomalies
    return found


def precision_at_n(ranking: Ranking) -> FloatArray:
    """Share of anomalies among the n highest scores, n = number of anomalies; in [0, 1].

    Of rows tied at the n-th score the expected share counts, so that the rows' order does not matter.
    """
    rows = ranking.anomalies + ranking.normals
    left = ranking.n_anomalies[..., np.newaxis] - (rows.cumsum(-1) - rows)
    taken = np.clip(left, 0, rows) / np.maximum(rows, 1)
    found: FloatArray = (ranking.anomalies * taken).sum(-1) / ranking.n_anomalies
    return found


def f1(verdicts: Verdicts) -> FloatArray:
    """Harmonic mean of precision and recall, in [0, 1]."""
    return 2.0 * verdicts.hits / (verdicts.hits + verdicts.false_alarms + verdicts.n_anomalies)


def precision(verdicts: Verdicts) -> FloatArray:
    """Share of anomalies among the rows that are called one, in [0, 1]; 0 where none is."""
    share: FloatArray = verdicts.hits / np.maximum(verdicts.hits + verdicts.false_alarms, 1)
    return share


def recall(verdicts: Verdicts) -> FloatArray:
    """Share of the anomalies that are called one, in [0, 1]."""
    return verdicts.hits / verdicts.n_anomalies


def false_alarm_rate(verdicts: Verdicts) -> FloatArray:
    """Share of the normal rows that are called anomalies, in [0, 1]."""
    return verdicts.false_alarms / verdicts.n_normals


OF_RANKINGS: Mapping[str, Callable[[Ranking], FloatArray]] = {
    "roc_auc": roc_auc,
    "average_precision": average_precision,
    "precision_at_n": precision_at_n,
}
OF_VERDICTS: Mapping[str, Callable[[Verdicts], FloatArray]] = {
    "f1": f1,
    "precision": precision,
    "recall": recall,
    "false_alarm_rate": false_alarm_rate,
}
