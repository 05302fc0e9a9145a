"""Figures that agree with scikit-learn's, whatever the ties."""

from typing import Any

import numpy as np
import pytest
from detector_service.evaluation import metrics as ours
from detector_service.evaluation.figures import confusion
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics


@st.composite
def labelled_scores(draw: st.DrawFn) -> tuple[ours.BoolVector, ours.FloatVector]:
    """Both classes, scores with many ties."""
    n_rows = draw(st.integers(2, 60))
    labels = draw(st.lists(st.booleans(), min_size=n_rows, max_size=n_rows).filter(lambda found: len(set(found)) == 2))
    values = st.one_of(st.integers(0, 4).map(float), st.floats(-1e6, 1e6))
    scores = draw(st.lists(values, min_size=n_rows, max_size=n_rows))
    return np.array(labels), np.array(scores)


@given(labelled_scores())
def test_roc_auc_is_scikit_learns(sample: tuple[Any, Any]) -> None:
    assert ours.roc_auc(ours.rank(*sample)) == pytest.approx(metrics.roc_auc_score(*sample), abs=1e-12)


@given(labelled_scores())
def test_average_precision_is_scikit_learns(sample: tuple[Any, Any]) -> None:
    expected = metrics.average_precision_score(*sample)
    assert ours.average_precision(ours.rank(*sample)) == pytest.approx(expected, abs=1e-12)


@given(labelled_scores())
def test_precision_at_n_is_the_mean_over_all_orders_of_tied_rows(sample: tuple[Any, Any]) -> None:
    labels, scores = sample
    n, random = int(labels.sum()), np.random.default_rng(0)
    expected = 0.0
    for score in np.unique(scores)[::-1]:  # fill n places, highest first, the last group by its share
        group, above = labels[scores == score], int((scores > score).sum())
        expected += group.mean() * max(0, min(len(group), n - above))
    found = ours.precision_at_n(ours.rank(labels, scores))
    assert found == pytest.approx(expected / n, abs=1e-12)
    order = random.permutation(len(labels))
    assert ours.precision_at_n(ours.rank(labels[order], scores[order])) == found


@given(labelled_scores(), st.floats(-1e6, 1e6))
def test_verdicts_are_counted_and_rated_as_in_scikit_learn(sample: tuple[Any, Any], threshold: float) -> None:
    labels, called = sample[0], sample[1] > threshold
    verdicts = ours.judge(labels, called)
    matrix = confusion(verdicts)
    found = [[matrix.true_negatives, matrix.false_positives], [matrix.false_negatives, matrix.true_positives]]
    assert found == metrics.confusion_matrix(labels, called, labels=[False, True]).tolist()
    assert ours.f1(verdicts) == pytest.approx(metrics.f1_score(labels, called, zero_division=0.0))
    assert ours.recall(verdicts) == pytest.approx(metrics.recall_score(labels, called))
    assert ours.precision(verdicts) == pytest.approx(metrics.precision_score(labels, called, zero_division=0.0))
    assert ours.false_alarm_rate(verdicts) == pytest.approx(metrics.recall_score(~labels, called))


@given(labelled_scores())
def test_no_figure_changes_when_the_scores_are_stretched_in_order(sample: tuple[Any, Any]) -> None:
    labels, scores = sample
    ranks = np.unique(scores, return_inverse=True)[1]
    for figure in ours.OF_RANKINGS.values():
        assert figure(ours.rank(labels, np.exp(ranks / 9.0))) == figure(ours.rank(labels, scores))


@given(st.lists(labelled_scores().map(lambda sample: ours.rank(*sample)), min_size=1, max_size=4))
def test_many_samples_at_once_have_the_figures_of_each_alone(rankings: list[ours.Ranking]) -> None:
    width = max(len(ranking.anomalies) for ranking in rankings)
    together = ours.Ranking(*(np.stack([_wide(ranking[kind], width) for ranking in rankings]) for kind in (0, 1)))
    for figure in ours.OF_RANKINGS.values():
        np.testing.assert_allclose(figure(together), [figure(ranking) for ranking in rankings], atol=1e-12)


def _wide(counts: ours.IntArray, width: int) -> ours.IntArray:
    """With empty groups at the end."""
    return np.pad(counts, (0, width - len(counts)))
