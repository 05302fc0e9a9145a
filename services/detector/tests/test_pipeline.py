"""The feature pipeline in the graph against numpy, the calendar and scikit-learn."""

import datetime as dt
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from detector_service.compile import Pipeline
from detector_service.features import SourceColumn
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pynomaly_scoring import Rows
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer, RobustScaler, StandardScaler

Matrix = NDArray[np.float64]
UTC = dt.UTC
EPOCH = dt.datetime(1970, 1, 1, tzinfo=UTC)
LAST = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

words = st.text(st.characters(codec="utf-8"), max_size=6)
numbers = st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 3)), min_size=2, max_size=40)
moments = st.datetimes(timezones=st.just(UTC)).map(lambda moment: min(moment, LAST))


def of_numbers(*columns: list[float]) -> Rows:
    return Rows(np.array(columns, np.float64).T.copy())


def of_texts(texts: list[str]) -> Rows:
    return Rows(np.empty((len(texts), 0)), np.array([[text] for text in texts], dtype=np.object_))


def seconds(moment: dt.datetime) -> float:
    return (moment - EPOCH) / dt.timedelta(seconds=1)


def features_of(column: SourceColumn, training: Rows, rows: Rows) -> tuple[list[str], Matrix]:
    pipeline = Pipeline.fit([column], training)
    names = [feature.name for feature in pipeline.add(pipeline.graph()).features]
    return names, pipeline.features(rows)


@settings(deadline=None, max_examples=40)
@given(numbers, numbers)
def test_standard_scaling_is_scikit_learns(training: list[float], rows: list[float]) -> None:
    column = SourceColumn(name="a", scaling="standard")
    _, ours = features_of(column, of_numbers(training), of_numbers(rows))
    scaler = StandardScaler().fit(np.array(training)[:, np.newaxis])
    np.testing.assert_allclose(ours, scaler.transform(np.array(rows)[:, np.newaxis]), rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(numbers, numbers)
def test_robust_scaling_is_scikit_learns(training: list[float], rows: list[float]) -> None:
    column = SourceColumn(name="a", scaling="robust")
    _, ours = features_of(column, of_numbers(training), of_numbers(rows))
    scaler = RobustScaler().fit(np.array(training)[:, np.newaxis])
    np.testing.assert_allclose(ours, scaler.transform(np.array(rows)[:, np.newaxis]), rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(numbers, numbers)
@example([-1.0, -1.0], [-2.0, 0.0])
def test_quantile_scaling_is_scikit_learns_and_never_falls(training: list[float], rows: list[float]) -> None:
    column = SourceColumn(name="a", scaling="quantile")
    every = [*training, *rows]
    _, ours = features_of(column, of_numbers(training), of_numbers(every))
    n_quantiles = min(1000, len(training))
    scaler = QuantileTransformer(n_quantiles=n_quantiles, subsample=None).fit(np.array(training)[:, np.newaxis])
    theirs = scaler.transform(np.array(every)[:, np.newaxis])
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-6)
    assert (np.diff(ours[np.argsort(every, kind="stable"), 0]) >= -1e-15).all()


def test_quantiles_of_many_rows_are_bounded_and_several_columns_are_ranked_apart() -> None:
    random = np.random.default_rng(0)
    training = Rows(np.column_stack([random.lognormal(size=5000), random.normal(size=5000), random.normal(size=5000)]))
    columns = [SourceColumn(name=name, scaling="none" if name == "b" else "quantile") for name in "abc"]
    pipeline = Pipeline.fit(columns, training)
    found = pipeline.features(training)
    np.testing.assert_array_equal(found[:, 1], training.numeric[:, 1])
    for column in (0, 2):
        ranks = np.argsort(np.argsort(training.numeric[:, column])) / 4999
        assert np.abs(found[:, column] - ranks).max() < 2e-3
    graph = pipeline.graph()
    pipeline.add(graph)
    assert len(graph.model({}).SerializeToString()) < 300_000


@settings(deadline=None, max_examples=40)
@given(st.lists(words, min_size=1, max_size=40), st.lists(words.filter(bool), max_size=10))
def test_onehot_is_scikit_learns_with_a_column_for_all_others(training: list[str], rows: list[str]) -> None:
    training = [text or "empty" for text in training]
    column = SourceColumn(name="c", type="string", categories="onehot", max_categories=256)
    names, ours = features_of(column, of_texts(training), of_texts([*training, *rows]))
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(of_texts(training).text)
    theirs = encoder.transform(of_texts([*training, *rows]).text)
    order = [names.index(f"c={category}") for category in encoder.categories_[0]]
    np.testing.assert_array_equal(ours[:, order], theirs)
    assert names[-1] == "c=other"
    np.testing.assert_array_equal(ours[:, -1], theirs.sum(axis=1) == 0)


@settings(deadline=None, max_examples=40)
@given(st.lists(words.filter(bool), min_size=1, max_size=40), st.lists(words.filter(bool), max_size=10))
def test_frequency_is_the_share_of_the_training_rows_and_0_for_a_text_they_did_not_have(
    training: list[str], rows: list[str]
) -> None:
    column = SourceColumn(name="c", type="string", categories="frequency")
    names, ours = features_of(column, of_texts(training), of_texts([*training, *rows]))
    counts = Counter(training)
    assert names == ["c frequency"]
    assert ours[:, 0].tolist() == [counts[text] / len(training) for text in [*training, *rows]]


def test_the_rarest_categories_and_unknown_ones_are_other() -> None:
    column = SourceColumn(name="c", type="string", categories="onehot", max_categories=2)
    names, ours = features_of(
        column, of_texts(["x", "y", "y", "z", "x", "y"]), of_texts(["y", "z", "new", "\0", "x\0"])
    )
    assert names == ["c=y", "c=x", "c=other"]
    assert ours.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1], [0, 0, 1]]


def test_notes_that_differ_in_every_row_are_all_other() -> None:
    column = SourceColumn(name="c", type="string", missing="median", categories="onehot")
    training = of_texts([f"note {row}" for row in range(50)])
    names, ours = features_of(column, training, of_texts(["note 0", "", "new"]))
    assert (names, ours.tolist()) == (["c=other"], [[1], [1], [1]])


def test_texts_are_told_apart_as_unicode_not_as_they_look() -> None:
    composed, decomposed = "\u00e9", "e\u0301"
    column = SourceColumn(name="c", type="string")
    names, ours = features_of(column, of_texts([composed, decomposed, composed, "\U0001f600"]), of_texts([decomposed]))
    assert ours.tolist() == [[float(name == f"c={decomposed}") for name in names]]


@pytest.mark.parametrize(("n_texts", "names"), [(3, ["c=t0", "c=t1", "c=t2", "c=other"]), (33, ["c frequency"])])
def test_without_a_choice_few_texts_have_features_of_their_own_and_many_share_one(
    n_texts: int, names: list[str]
) -> None:
    training = of_texts([f"t{number}" for number in range(n_texts)])
    assert features_of(SourceColumn(name="c", type="string"), training, training)[0] == names


@settings(deadline=None, max_examples=60)
@given(st.lists(moments, min_size=1, max_size=20), st.booleans())
def test_moments_become_days_and_places_on_circles_as_the_calendar_has_them(
    found: list[dt.datetime], timed: bool
) -> None:
    column = SourceColumn(name="t", type="datetime" if timed else "date")
    rows = of_numbers([seconds(moment) for moment in found])
    names, ours = features_of(column, rows, rows)
    parts = {"weekday": 7, "month": 12, "day": 31, **({"hour": 24} if timed else {})}
    assert names == ["t days", *(f"t {part} {wave}" for part in parts for wave in ("sine", "cosine"))]
    for row, moment in zip(ours, found, strict=True):
        places = (moment.weekday(), moment.month - 1, moment.day - 1, moment.hour)
        angles = [2 * math.pi * place / n for place, n in zip(places, parts.values(), strict=False)]
        expected = [wave(angle) for angle in angles for wave in (math.sin, math.cos)]
        assert row[0] == seconds(moment) / 86_400
        assert row[1:].tolist() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("value", [-1e300, 1e300, 1e18])
def test_a_moment_outside_every_calendar_counts_as_the_nearest(value: float) -> None:
    column = SourceColumn(name="t", type="datetime")
    nearest = dt.datetime(1, 1, 1, tzinfo=UTC) if value < 0 else LAST
    _, ours = features_of(column, of_numbers([0.0, 1.0]), of_numbers([value, seconds(nearest)]))
    np.testing.assert_array_equal(ours[0], ours[1])


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=30).filter(
        lambda found: set(found) != {None}
    )
)
def test_a_missing_number_is_the_median_and_says_so_where_that_is_asked_for(found: list[int | None]) -> None:
    values = [math.nan if value is None else float(value) for value in found]
    filled = np.where(np.isnan(values), np.nanmedian(values), values)
    training = of_numbers(values)
    names, ours = features_of(SourceColumn(name="a", missing="median"), training, training)
    assert (names, ours[:, 0].tolist()) == (["a"], filled.tolist())
    names, ours = features_of(SourceColumn(name="a", missing="indicator"), training, training)
    assert names == (["a", "a missing"] if None in found else ["a"])
    assert ours[:, -1].tolist() == (np.isnan(values).tolist() if None in found else filled.tolist())


@pytest.mark.parametrize("categories", ["onehot", "frequency"])
def test_a_missing_text_counts_as_the_most_frequent_one(categories: Any) -> None:
    column = SourceColumn(name="c", type="string", missing="indicator", categories=categories)
    names, ours = features_of(column, of_texts(["x", "", "y", "y"]), of_texts(["", "y", "x"]))
    assert names[-1] == "c missing"
    np.testing.assert_array_equal(ours[0, :-1], ours[1, :-1])
    assert ours[:, -1].tolist() == [1, 0, 0]


def test_the_median_of_the_largest_numbers_is_a_number() -> None:
    _, found = features_of(
        SourceColumn(name="c", missing="median"), of_numbers([1e308, 1.5e308]), of_numbers([math.nan])
    )
    assert found.tolist() == [[1.25e308]]


@pytest.mark.parametrize(
    ("training", "row", "low", "high"),
    [
        pytest.param([1e308, 1.1e308], -1.7e308, 0.0, 0.0, id="as-far-as-numbers-go"),
        pytest.param([0.0, 1e-320], 5e-321, 0.0, 1.0, id="between-the-smallest"),
        pytest.param([0.0, 5e-324], 1.7e308, 1.0, 1.0, id="far-from-the-smallest"),
    ],
)
def test_a_position_is_a_number_at_every_scale(training: list[float], row: float, low: float, high: float) -> None:
    column = SourceColumn(name="c", scaling="quantile")
    _, found = features_of(column, of_numbers(training), of_numbers([row]))
    assert low <= found[0, 0] <= high


def test_a_missing_boolean_is_the_more_frequent_value_and_no_boolean_is_scaled() -> None:
    column = SourceColumn(name="b", type="boolean", missing="median", scaling="standard")
    for values, filler in (([1.0, 1.0, 0.0, math.nan], 1.0), ([1.0, 0.0, math.nan], 0.0)):
        assert features_of(column, of_numbers(values), of_numbers(values))[1][-1, 0] == filler


def test_features_are_in_the_order_of_the_raw_columns() -> None:
    columns = [
        SourceColumn(name="c", type="string", missing="indicator"),
        SourceColumn(name="t", type="date"),
        SourceColumn(name="a", missing="indicator", scaling="quantile"),
        SourceColumn(name="b", type="boolean"),
        SourceColumn(name="d", scaling="standard"),
    ]
    numeric = np.array([[0.0, 1.0, 1.0, 5.0], [86_400.0, math.nan, 0.0, 7.0]])
    rows = Rows(numeric, np.array([["x"], [""]], dtype=np.object_))
    pipeline = Pipeline.fit(columns, rows)
    names = pipeline.describe()["features"]
    firsts = [name for name in names if " " not in name or name == "t days" or name.endswith("missing")]
    assert firsts == ["c=x", "c=other", "c missing", "t days", "a", "a missing", "b", "d"]
    found = dict(zip(names, pipeline.features(rows).T.tolist(), strict=True))
    assert found["t days"] == [0, 1]
    assert found["b"] == [1, 0]
    assert found["d"] == [-1, 1]


def test_plain_numbers_pass_as_they_are() -> None:
    rows = of_numbers([1.0, 2.0], [3.0, 4.0])
    pipeline = Pipeline.fit([SourceColumn(name="a"), SourceColumn(name="b", type="boolean")], rows)
    assert pipeline.is_empty
    assert pipeline.describe() == {}
    assert pipeline.features(rows) is rows.numeric


MIXED = (
    SourceColumn(name="a", missing="indicator", scaling="quantile"),
    SourceColumn(name="b", missing="median", scaling="standard"),
    SourceColumn(name="t", type="datetime", missing="median", scaling="robust"),
    SourceColumn(name="c", type="string", missing="median", max_categories=2),
)
cells = st.tuples(
    st.one_of(st.just(math.nan), st.floats(-1e9, 1e9)),
    st.one_of(st.just(math.nan), st.integers(-3, 3).map(float)),
    st.one_of(st.just(math.nan), moments.map(seconds)),
    words,
)


@settings(deadline=None, max_examples=40)
@given(st.lists(cells, min_size=1, max_size=20), st.lists(cells, min_size=1, max_size=20))
def test_a_row_has_the_same_features_to_the_last_bit_alone_and_in_any_batch(
    training: list[tuple[float, float, float, str]], found: list[tuple[float, float, float, str]]
) -> None:
    complete = (1.0, 2.0, 3.0, "x")
    pipeline = Pipeline.fit(MIXED, mixed([complete, *training]))
    rows = mixed(found)
    together = pipeline.features(rows)
    assert np.isfinite(together).all()
    alone = np.concatenate([pipeline.features(rows.part(row, row + 1)) for row in range(rows.n_rows)])
    np.testing.assert_array_equal(alone, together)
    np.testing.assert_array_equal(pipeline.features(mixed(found[::-1])), together[::-1])


def mixed(found: list[tuple[float, float, float, str]]) -> Rows:
    numeric = np.array([row[:3] for row in found], np.float64)
    return Rows(numeric, np.array([[row[3]] for row in found], dtype=np.object_))
