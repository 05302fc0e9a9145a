"""Differences between detectors on the same labelled rows: a paired bootstrap (Efron & Tibshirani, 1993, chapter 8).

Every evaluation of the same labels draws the same samples of the same rows, whatever it evaluates, and keeps its
figures of each. Two detectors' figures of a sample then share what chance did to it, and the spread of their
differences is that of the detectors alone. Anomalies and normal rows are drawn apart, as for the figures' own
intervals.

Of more than 2,048 rows of a kind, random blocks of them are drawn in place of rows: the mean of a block varies by the
block's size less, and as many fewer are drawn, so that the spread of a figure stays what it is.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector_service.evaluation.intervals import N_RESAMPLES, TAIL, Interval, pools
from detector_service.evaluation.metrics import (
    OF_RANKINGS,
    OF_VERDICTS,
    BoolVector,
    FloatArray,
    FloatVector,
    IntArray,
    Ranking,
    Verdicts,
    rank,
)

N_BLOCKS = 2048
_SEED = 0
_AT_ONCE = 64  # samples, so that they stay in the cache
Samples = NDArray[np.float32]


@dataclass(frozen=True)
class PairedFigures:
    """figures: of each sample, (1,000,) by name. digest: SHA-256 of labels and draws: whether samples are the same."""

    figures: Mapping[str, Samples]
    digest: str

    def document(self) -> dict[str, Any]:
        """As it is kept: JSON."""
        return {"digest": self.digest, "figures": {name: write_samples(kept) for name, kept in self.figures.items()}}


class _Kind(NamedTuple):
    """Rows of one label. rows: (n,) their numbers; block: (n,) that of each; drawn: (n_samples, n_blocks) how often."""

    rows: IntArray
    block: IntArray
    drawn: IntArray


def paired_figures(labels: BoolVector, scores: FloatVector, called: BoolVector) -> PairedFigures:
    """Every figure of 1,000 samples. labels, scores, called: (n_rows,), with both kinds of labels.

    A few seconds at most, whatever the number of rows.
    """
    random = np.random.default_rng(_SEED)
    anomalies, normals = _kind(labels, True, random), _kind(labels, False, random)
    found = _of_rankings(labels, scores, anomalies, normals) | _of_verdicts(called, anomalies, normals)
    figures = {name: np.asarray(values, np.float32) for name, values in found.items()}
    return PairedFigures(figures, _digest(labels, anomalies, normals))


def difference_interval(
    first: Samples | FloatVector, second: Samples | FloatVector, difference: float, n_rows: int
) -> Interval:
    """95 % confidence interval of first - second, within [-1, 1].

    first, second: (n_samples,), of the same samples. difference: of the figures themselves. n_rows: of how many rows
    they are shares; Student's t has one degree of freedom less, as for the figures' own intervals. Where no two samples
    differ, the interval allows for rows that were never seen and would speak for the other side: a share of at most
    1 - 0.025 ** (1 / n_rows) of all (Clopper & Pearson, 1934). What is the same in every sample differs by 0 exactly.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - a second of import that only comparisons need

    apart = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    if not apart.any() and difference == 0:
        return 0.0, 0.0
    if n_rows < 2:
        return -1.0, 1.0
    if np.ptp(apart) == 0:
        reach = (1 - TAIL ** (1 / n_rows)) * (1 + abs(difference))
    else:
        reach = float(-stdtrit(n_rows - 1, TAIL) * np.sqrt(n_rows / (n_rows - 1)) * apart.std())
    return max(-1.0, difference - reach), min(1.0, difference + reach)


def _kind(labels: BoolVector, label: bool, random: np.random.Generator) -> _Kind:
    rows = np.flatnonzero(labels == label)
    n_blocks = min(len(rows), N_BLOCKS)
    block = np.arange(len(rows)) if n_blocks == len(rows) else random.permutation(len(rows)) % n_blocks
    drawn = random.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), N_RESAMPLES)
    return _Kind(rows, block, drawn)


def _of_rankings(labels: BoolVector, scores: FloatVector, anomalies: _Kind, normals: _Kind) -> dict[str, FloatArray]:
    group = _groups(labels, scores)
    samples = zip(_counted(group, anomalies), _counted(group, normals), strict=True)
    blocks = [[figure(Ranking(*sample)) for figure in OF_RANKINGS.values()] for sample in samples]
    return dict(zip(OF_RANKINGS, np.concatenate(blocks, axis=1), strict=True))


def _groups(labels: BoolVector, scores: FloatVector) -> NDArray[np.int32]:
    """Of each row, the place of its score among the pooled groups, from the highest, (n_rows,)."""
    highest = np.unique(-scores)[pools(rank(labels, scores))]
    return (np.searchsorted(highest, -scores, side="right") - 1).astype(np.int32)


def _counted(group: NDArray[np.int32], kind: _Kind) -> Iterator[IntArray]:
    """Rows of a kind by group, (n, n_groups), of n samples at a time."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - a second of import that only evaluations need

    shape = (int(group.max()) + 1, kind.drawn.shape[1])
    ones = np.ones(len(kind.rows), np.int32)
    rows_by_group = coo_array((ones, (group[kind.rows], kind.block)), shape).tocsr()
    for begin in range(0, len(kind.drawn), _AT_ONCE):
        yield np.ascontiguousarray((rows_by_group @ kind.drawn[begin : begin + _AT_ONCE].T).T)


def _of_verdicts(called: BoolVector, anomalies: _Kind, normals: _Kind) -> dict[str, FloatArray]:
    (hits, n_anomalies), (false_alarms, n_normals) = _called(called, anomalies), _called(called, normals)
    samples = Verdicts(hits, false_alarms, n_anomalies, n_normals)
    return {name: figure(samples) for name, figure in OF_VERDICTS.items()}


def _called(called: BoolVector, kind: _Kind) -> tuple[IntArray, IntArray]:
    """Of each sample, (n_samples,): rows that are called anomalies, and all rows."""
    n_called = np.bincount(kind.block[called[kind.rows]], minlength=kind.drawn.shape[1])
    return kind.drawn @ n_called, kind.drawn @ np.bincount(kind.block)


def _digest(labels: BoolVector, *kinds: _Kind) -> str:
    digest = sha256(np.packbits(labels).tobytes())
    for kind in kinds:
        digest.update(len(kind.rows).to_bytes(8, "little"))
        digest.update(kind.block.astype("<i4").tobytes())
        digest.update(kind.drawn.astype("<i4").tobytes())
    return digest.hexdigest()


def write_samples(samples: Samples) -> str:
    """As text: base64 of little-endian float32."""
    return b64encode(samples.astype("<f4").tobytes()).decode()


def read_samples(text: str) -> Samples:
    """What `write_samples` wrote."""
    return np.frombuffer(b64decode(text), "<f4")
