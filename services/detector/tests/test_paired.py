"""Differences of detectors on the same rows: honest, mirrored, and exactly nothing between the same ones."""

import time
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from detector_service.evaluation.intervals import Interval
from detector_service.evaluation.metrics import OF_RANKINGS, OF_VERDICTS, BoolVector, FloatVector, judge, rank, roc_auc
from detector_service.evaluation.paired import N_BLOCKS, PairedFigures, difference_interval, paired_figures
from hypothesis import given, settings
from hypothesis import strategies as st

SHIFT, CUT = 2.0, 1.2  # of the anomalies' scores, and where the verdict changes, both in standard deviations
NAMES = [*OF_RANKINGS, *OF_VERDICTS]
FEW = st.lists(st.tuples(st.booleans(), st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=40).filter(
    lambda rows: len({label for label, _, _ in rows}) == 2
)


class Rivals(NamedTuple):
    """Labels, and two detectors' scores that err on the same rows in part."""

    labels: BoolVector
    first: FloatVector
    second: FloatVector


def rivals(random: np.random.Generator, n_anomalies: int, n_normals: int, gap: float = 0.0) -> Rivals:
    """gap: how much better the first one separates, in standard deviations."""
    labels = np.repeat([True, False], [n_anomalies, n_normals])
    shared, noise = random.normal(size=len(labels)), random.normal(size=(2, len(labels)))
    first, second = (0.8 * shared + 0.6 * own for own in noise)
    return Rivals(labels, first + (SHIFT + gap) * labels, second + SHIFT * labels)


def evaluated(labels: BoolVector, scores: FloatVector) -> PairedFigures:
    return paired_figures(labels, scores, scores > CUT)


def figure(name: str, labels: BoolVector, scores: FloatVector) -> float:
    found = OF_RANKINGS[name](rank(labels, scores)) if name in OF_RANKINGS else None
    return float(OF_VERDICTS[name](judge(labels, scores > CUT)) if found is None else found)


def intervals(labels: BoolVector, first: FloatVector, second: FloatVector) -> dict[str, Interval]:
    n_rows = int(min(labels.sum(), (~labels).sum()))
    one, other = evaluated(labels, first).figures, evaluated(labels, second).figures
    apart = {name: figure(name, labels, first) - figure(name, labels, second) for name in NAMES}
    return {name: difference_interval(one[name], other[name], apart[name], n_rows) for name in NAMES}


@settings(max_examples=40, deadline=None)
@given(rows=FEW)
def test_two_detectors_swapped_have_the_mirrored_interval(rows: list[tuple[bool, int, int]]) -> None:
    labels, *scores = (np.array(column) for column in zip(*rows, strict=True))
    first, second = (each.astype(float) for each in scores)
    found, swapped = intervals(labels, first, second), intervals(labels, second, first)
    assert swapped == {name: (-high, -low) for name, (low, high) in found.items()}
    assert all(-1 <= low <= high <= 1 for low, high in found.values())


@settings(max_examples=40, deadline=None)
@given(rows=FEW, name=st.sampled_from(NAMES), stretch=st.floats(0.1, 10))
def test_detectors_that_judge_alike_differ_by_exactly_nothing(
    rows: list[tuple[bool, int, int]], name: str, stretch: float
) -> None:
    labels, scores, _ = (np.array(column) for column in zip(*rows, strict=True))
    kept, called = scores.astype(float), scores > CUT
    one = paired_figures(labels, kept, called).figures[name]
    other = paired_figures(labels, kept * stretch, called).figures[name]
    assert difference_interval(one, other, 0.0, 5) == (0.0, 0.0)


@settings(max_examples=20, deadline=None)
@given(rows=FEW)
def test_samples_are_the_same_ones_for_the_same_labels_alone(rows: list[tuple[bool, int, int]]) -> None:
    labels, first, second = (np.array(column) for column in zip(*rows, strict=True))
    digests = {evaluated(labels, scores.astype(float)).digest for scores in (first, second)}
    assert len(digests) == 1
    assert evaluated(~labels, first.astype(float)).digest not in digests


@pytest.mark.parametrize(("n_anomalies", "n_normals"), [(20, 180), (60, 240)])
def test_about_95_of_100_intervals_hold_the_true_difference(n_anomalies: int, n_normals: int) -> None:
    random = np.random.default_rng(11)
    trials = [rivals(random, n_anomalies, n_normals, gap=0.5) for _ in range(1000)]
    truth = {
        name: np.mean([figure(name, labels, first) - figure(name, labels, second) for labels, first, second in trials])
        for name in NAMES
    }
    held: Counter[str] = Counter()
    for trial in trials[:150]:
        found = intervals(*trial)
        held.update(name for name in NAMES if found[name][0] <= truth[name] <= found[name][1])
    assert {name: n for name, n in held.items() if n < 134} == {}
    assert set(held) == set(NAMES)


def test_a_paired_interval_is_shorter_than_what_two_separate_ones_would_say() -> None:
    labels, first, second = rivals(np.random.default_rng(5), 50, 450)
    one, other = (evaluated(labels, scores).figures["roc_auc"] for scores in (first, second))
    assert float(np.std(one - other)) < 0.8 * float(np.hypot(np.std(one), np.std(other)))


def test_blocks_of_rows_spread_a_figure_as_rows_do() -> None:
    """What 1,000 draws of single rows say, beside what the blocks of a large set say."""
    random = np.random.default_rng(7)
    labels, scores, _ = rivals(random, 3000, 9000)
    anomalies, normals = scores[labels], scores[~labels]
    assert len(anomalies) > N_BLOCKS
    by_row = []
    for _ in range(300):
        drawn = np.concatenate([random.choice(kind, len(kind)) for kind in (anomalies, normals)])
        by_row.append(float(roc_auc(rank(labels, drawn))))
    assert np.std(evaluated(labels, scores).figures["roc_auc"]) == pytest.approx(np.std(by_row), rel=0.2)


def test_samples_of_a_figure_lie_around_it() -> None:
    labels, scores, _ = rivals(np.random.default_rng(8), 40, 400)
    for name, samples in evaluated(labels, scores).figures.items():
        assert len(samples) == 1000
        assert np.mean(samples) == pytest.approx(figure(name, labels, scores), abs=0.02)


@pytest.mark.parametrize(("n_rows", "is_clear"), [(1, False), (3, False), (5, False), (6, True), (50, True)])
def test_one_that_is_right_on_every_row_is_better_only_where_rows_are_enough(n_rows: int, is_clear: bool) -> None:
    low, high = difference_interval(np.ones(1000), np.zeros(1000), 1.0, n_rows)
    assert (low > 0) is is_clear
    assert high == 1.0


def test_the_samples_of_a_million_rows_take_a_few_seconds() -> None:
    labels, scores, _ = rivals(np.random.default_rng(9), 10_000, 990_000)
    began_s = time.process_time()
    evaluated(labels, scores)
    assert time.process_time() - began_s < 40  # ten times what it takes
