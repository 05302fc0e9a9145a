"""Thresholds that keep a target on labelled rows and find as many anomalies as any that does."""

import re
from typing import Any

import numpy as np
import pytest
from detector_service.domain import Unfit
from detector_service.evaluation.metrics import false_alarm_rate, judge, precision
from detector_service.evaluation.thresholds import Target, choose_threshold, rounding, threshold_interval
from hypothesis import given
from hypothesis import strategies as st

SCORES = st.one_of(st.integers(0, 5).map(float), st.floats(-1e300, 1e300), st.floats(0, 1e-310))
ROWS = st.lists(st.tuples(st.booleans(), SCORES), min_size=2, max_size=40)
TARGETS = st.builds(Target, st.sampled_from(["precision", "false_alarm_rate"]), st.floats(0.01, 1))
LABELS = np.repeat([True, False, True, False], [6, 1, 3, 90])
DESCENDING = np.arange(100.0)[::-1]


def keeps(labels: Any, called: Any, target: Target) -> bool:
    verdicts = judge(labels, called)
    if target.method == "precision":
        return bool(precision(verdicts) >= target.share)
    return bool(false_alarm_rate(verdicts) <= target.share)


@given(ROWS.filter(lambda rows: len({label for label, _ in rows}) == 2), TARGETS)
def test_the_target_is_kept_and_no_threshold_that_keeps_it_finds_more(
    rows: list[tuple[bool, float]], target: Target
) -> None:
    labels, scores = np.array([label for label, _ in rows]), np.array([score for _, score in rows])
    spread = float(np.subtract(*np.quantile(scores, (0.75, 0.25))))
    gaps = [(score - scores[scores < score]).min(initial=np.inf) for score in scores]
    others = [scores >= score for score in scores[gaps > rounding(scores, spread)]]
    most = max((int((labels & other).sum()) for other in others if keeps(labels, other, target)), default=0)
    if most == 0:
        with pytest.raises(Unfit, match="on the labelled rows: the best is"):
            choose_threshold(labels, scores, target)
        return
    called = scores > choose_threshold(labels, scores, target)
    assert keeps(labels, called, target)
    assert (labels & called).sum() == most
    fewest = min(int(other.sum()) for other in others if (labels & other).sum() == most)
    assert called.sum() == fewest


@pytest.mark.parametrize(
    ("method", "share", "threshold"),
    [
        ("precision", 1.0, 93.5),
        ("precision", 0.9, 89.5),
        ("false_alarm_rate", 0.01, 93.5),
        ("false_alarm_rate", 0.02, 89.5),
    ],
    ids=["no false alarm", "one in ten", "less than one false alarm", "one false alarm"],
)
def test_the_threshold_lies_halfway_to_the_next_score(method: Any, share: float, threshold: float) -> None:
    assert choose_threshold(LABELS, DESCENDING, Target(method, share)) == threshold


@pytest.mark.parametrize(
    ("method", "share", "words"),
    [
        ("precision", 0.9, r"no threshold reaches a precision of 0\.9 .* the best is 0\.1011, which finds 9 of 9"),
        ("false_alarm_rate", 0.05, r"reaches a false-alarm rate of 0\.05 .* the best is 0\.8, which finds 9 of 9"),
    ],
)
def test_a_target_out_of_reach_is_refused_with_the_best_that_is_in_reach(method: Any, share: float, words: str) -> None:
    labels = np.repeat([True, False], [9, 100])
    scores = np.concatenate((np.full(9, 19.5), np.arange(100.0)))
    with pytest.raises(Unfit, match=words) as refused:
        choose_threshold(labels, scores, Target(method, share))
    assert refused.value.refusals[0].field == "threshold.target"


@given(ROWS.filter(lambda rows: len({label for label, _ in rows}) == 2), TARGETS)
def test_the_best_value_that_a_refusal_names_is_in_reach(rows: list[tuple[bool, float]], target: Target) -> None:
    labels, scores = np.array([label for label, _ in rows]), np.array([score for _, score in rows])
    try:
        choose_threshold(labels, scores, target)
    except Unfit as refused:
        best = re.search(r"the best is ([0-9.]+),", str(refused))
        assert best is not None
        assert np.isfinite(choose_threshold(labels, scores, target._replace(share=float(best[1]))))


def test_scores_that_differ_by_rounding_are_cut_together() -> None:
    labels = np.array([True, False, False, False])
    scores = np.array([np.nextafter(0.3, 1.0), 0.3, 0.1, 0.0])
    with pytest.raises(Unfit, match=r"the best is 0\.5"):
        choose_threshold(labels, scores, Target("precision", 0.9))


def test_the_interval_of_a_chosen_threshold_holds_it_and_shrinks_with_more_rows() -> None:
    random, target = np.random.default_rng(2), Target("false_alarm_rate", 0.05)
    widths = []
    for n in (20, 200, 2000):
        labels = np.repeat([True, False], [n, 9 * n])
        scores = random.normal(size=10 * n) + 2.0 * labels
        interval = threshold_interval(labels, scores, target, seed=1)
        assert interval is not None
        assert interval == threshold_interval(labels, scores, target, seed=1)
        assert interval[0] <= choose_threshold(labels, scores, target) <= interval[1]
        widths.append(interval[1] - interval[0])
    assert widths == sorted(widths, reverse=True)


def test_a_target_that_many_samples_miss_gives_no_interval() -> None:
    labels = np.array([True, False] * 10)
    scores = np.array([1.0] + [0.0] * 19)  # one sample in three lacks the row above
    assert choose_threshold(labels, scores, Target("precision", 0.9)) == 0.5
    assert threshold_interval(labels, scores, Target("precision", 0.9), seed=0) is None
