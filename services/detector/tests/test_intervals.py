"""Intervals that hold the truth about as often as they say, and are cheap."""

import time
from collections import Counter

import numpy as np
import pytest
from detector_service.evaluation.intervals import (
    MAX_GROUPS,
    Interval,
    intervals,
    log_odds_interval,
    pooled,
    quantile_interval,
)
from detector_service.evaluation.metrics import OF_RANKINGS, OF_VERDICTS, BoolVector, FloatVector, Ranking, judge, rank
from hypothesis import given, settings
from hypothesis import strategies as st

SHIFT, CUT = 2.0, 1.2  # of the anomalies' scores, and where the verdict changes, both in standard deviations


def drawn(random: np.random.Generator, n_anomalies: int, n_normals: int) -> tuple[BoolVector, FloatVector]:
    """Normal scores, those of the anomalies shifted."""
    labels = np.repeat([True, False], [n_anomalies, n_normals])
    return labels, random.normal(size=len(labels)) + SHIFT * labels


def estimated(labels: BoolVector, scores: FloatVector) -> tuple[dict[str, float], dict[str, Interval]]:
    ranking, verdicts = rank(labels, scores), judge(labels, scores > CUT)
    figures = {name: float(figure(ranking)) for name, figure in OF_RANKINGS.items()}
    figures |= {name: float(figure(verdicts)) for name, figure in OF_VERDICTS.items()}
    return figures, intervals(ranking, verdicts, seed=0)


@pytest.mark.parametrize(("n_anomalies", "n_normals"), [(8, 192), (60, 240)])
def test_about_95_of_100_intervals_hold_the_truth(n_anomalies: int, n_normals: int) -> None:
    random = np.random.default_rng(11)
    samples = [drawn(random, n_anomalies, n_normals) for _ in range(3000)]
    truth = {name: float(np.mean([figure(rank(*s)) for s in samples])) for name, figure in OF_RANKINGS.items()}
    verdicts = [judge(labels, scores > CUT) for labels, scores in samples]
    truth |= {name: float(np.mean([figure(v) for v in verdicts])) for name, figure in OF_VERDICTS.items()}
    held: Counter[str] = Counter()
    for labels, scores in samples[:200]:
        found = estimated(labels, scores)[1]
        held.update(name for name, (low, high) in found.items() if low <= truth[name] <= high)
    assert {name: n for name, n in held.items() if not 178 <= n} == {}  # noqa: SIM300 - reads as a range
    assert set(held) == set(truth)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), min_size=2, max_size=40).filter(
        lambda rows: len({label for label, _ in rows}) == 2
    )
)
def test_an_interval_is_around_its_figure_and_within_0_and_1(rows: list[tuple[bool, int]]) -> None:
    labels, scores = np.array([label for label, _ in rows]), np.array([float(score) for _, score in rows])
    figures, found = estimated(labels, scores)
    assert set(found) == set(figures)
    assert all(0 <= low <= figures[name] <= high <= 1 for name, (low, high) in found.items())


def test_intervals_are_the_same_for_the_same_seed_and_for_scores_stretched_in_order() -> None:
    labels, scores = drawn(np.random.default_rng(3), 30, 300)
    verdicts = judge(labels, scores > CUT)
    found = intervals(rank(labels, scores), verdicts, seed=5)
    assert found == intervals(rank(labels, np.exp(scores)), verdicts, seed=5)
    assert found != intervals(rank(labels, scores), verdicts, seed=6)


def test_more_rows_make_an_interval_shorter() -> None:
    random = np.random.default_rng(4)
    widths = [np.subtract(*estimated(*drawn(random, n, 9 * n))[1]["roc_auc"][::-1]) for n in (10, 100, 1000)]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < widths[0] / 4


def test_a_perfect_figure_of_few_anomalies_is_not_called_certain() -> None:
    labels = np.repeat([True, False], [10, 90])
    _, found = estimated(labels, np.where(labels, 9.0, 0.0))
    assert found["roc_auc"] == pytest.approx((0.6915, 1.0), abs=1e-4)  # Clopper and Pearson's of 10 out of 10
    assert found["false_alarm_rate"] == pytest.approx((0.0, 0.0402), abs=1e-4)  # and of 0 out of 90


def test_of_one_row_nothing_is_known() -> None:
    assert log_odds_interval(0.7, 0.1, 1) == (0.0, 1.0)
    assert log_odds_interval(0.0, 0.0, 0) == (0.0, 1.0)


def test_figures_of_50_000_rows_have_their_intervals_within_2_s() -> None:
    labels, scores = drawn(np.random.default_rng(5), 25_000, 25_000)
    ranking, verdicts = rank(labels, scores), judge(labels, scores > CUT)
    intervals(rank(labels[::500], scores[::500]), judge(labels[::500], scores[::500] > CUT), seed=0)  # imports SciPy
    began_s = time.process_time()
    intervals(ranking, verdicts, seed=0)
    assert time.process_time() - began_s < 2.0


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.95])
def test_pooling_keeps_every_row_and_every_figure(share: float) -> None:
    random = np.random.default_rng(6)
    labels = random.random(30_000) < share
    ranking = rank(labels, random.normal(size=30_000) + SHIFT * labels)
    fewer = pooled(ranking)
    assert len(fewer.anomalies) <= MAX_GROUPS
    assert (fewer.n_anomalies, fewer.n_normals) == (ranking.n_anomalies, ranking.n_normals)
    exact = 2 * ranking.n_anomalies < MAX_GROUPS
    for figure in OF_RANKINGS.values():
        assert figure(fewer) == pytest.approx(figure(ranking), abs=1e-12 if exact else 1e-3)


def test_groups_without_an_anomaly_are_one_and_those_with_one_stay_apart() -> None:
    ranking = Ranking(np.array([0, 0, 1, 2, 0, 0]), np.array([3, 1, 0, 1, 2, 5]))
    fewer = pooled(ranking)
    assert (fewer.anomalies.tolist(), fewer.normals.tolist()) == ([0, 1, 2, 0], [4, 0, 1, 7])


@pytest.mark.parametrize(("n", "probability"), [(40, 0.9), (400, 0.5), (1000, 0.99)])
def test_a_quantiles_interval_holds_it_in_at_least_95_of_100_samples_of_any_distribution(
    n: int, probability: float
) -> None:
    random = np.random.default_rng(7)
    found = [quantile_interval(random.random(n) ** 9, probability) for _ in range(1000)]
    held = [interval is not None and interval[0] <= probability**9 <= interval[1] for interval in found]
    assert np.mean(held) >= 0.935


def test_a_quantile_that_so_few_values_cannot_bound_has_no_interval() -> None:
    assert quantile_interval(np.arange(30.0), 0.9) is None
    assert quantile_interval(np.arange(40.0), 0.9) is not None
