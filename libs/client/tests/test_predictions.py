"""Rows that callers hold, scored."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from pynomaly import Client, errors

BATCH = "/api/v1/predict/batch"
ISO_NOON = "2026-01-31T12:00:00+00:00"
X_THEN = {"a": "x", "b": "2026-01-31"}


@pytest.mark.parametrize(
    ("rows", "sent"),
    [
        ([{"a": np.float32(0.5), "b": np.int64(2)}], [{"a": 0.5, "b": 2.0}]),
        (np.array([[1, 2], [3, 4]]), [[1.0, 2.0], [3.0, 4.0]]),
        (pl.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}), [{"a": 1.0, "b": 0.5}, {"a": 2.0, "b": 1.5}]),
        (pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}), [{"a": 1.0, "b": 0.5}, {"a": 2.0, "b": 1.5}]),
        ([np.array([1.0, 2.0])], [[1.0, 2.0]]),
        ([{"a": "Oslo", "b": True, "c": None, "d": float("nan")}], [{"a": "Oslo", "b": 1.0, "c": None, "d": None}]),
        ([[dt.date(2026, 1, 31), dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)]], [["2026-01-31", ISO_NOON]]),
        ([[np.datetime64("2026-01-31"), np.datetime64("NaT")]], [["2026-01-31", None]]),
        (pl.DataFrame({"a": ["x", None], "b": [dt.date(2026, 1, 31)] * 2}), [X_THEN, {**X_THEN, "a": None}]),
        (
            pd.DataFrame({"a": ["x", None], "b": pd.to_datetime(["2026-01-31", None])}),
            [{"a": "x", "b": "2026-01-31T00:00:00"}, {"a": None, "b": None}],
        ),
        (pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}), [{"a": 1.0}, {"a": None}]),
    ],
    ids=[
        *("dicts of numpy scalars", "array", "polars", "pandas", "list of arrays"),
        *("mixed", "dates", "numpy dates", "polars mixed", "pandas mixed", "pandas integers"),
    ],
)
def test_rows_of_every_kind_become_numbers_texts_and_iso_dates_and_null_where_a_value_is_missing(
    peer, bodies, says, rows: Any, sent: Any
) -> None:
    peer.says("POST", BATCH, says(bodies["batch"](len(sent))))
    with Client(peer.url) as client:
        assert client.predict_batch(rows, "thyroid").total_processed == len(sent)
    assert peer.asked[0].json() == {"data": sent, "model_id": "thyroid"}


def test_a_batch_over_the_cap_goes_in_chunks_scored_by_one_version(peer, bodies, says) -> None:
    peer.says("POST", BATCH, lambda asked: says(bodies["batch"](len(asked.json()["data"]), version="7")))
    with Client(peer.url, timeout_s=60) as client:
        answer = client.predict_batch(np.zeros((100_001, 1)), "thyroid")
    assert (answer.total_processed, len(answer.predictions)) == (100_001, 100_001)
    assert [len(asked.json()["data"]) for asked in peer.asked] == [100_000, 1]
    assert [asked.json().get("version") for asked in peer.asked] == [None, "7"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"a": 1.0}, {"a": float("-inf")}], r"data\[1\]\.a: -inf"),
        (np.array([[1.0, np.inf]]), r"data\[0\]\[1\]: inf"),
        ([{"a": [1]}], r"data\[0\]\.a: \[1\] is no number, text or date"),
        ([{"a": 10**400}], r"data\[0\]\.a: 10+.* is no number, text or date"),
        (np.zeros(3), r"shape \(3,\)"),
        ({"a": 1.0}, "a list of rows"),
        ([], "no row"),
        ([7], r"data\[0\]: 7 is no row"),
    ],
)
def test_what_cannot_be_scored_is_named_before_it_is_sent(peer, rows: Any, message: str) -> None:
    with Client(peer.url) as client, pytest.raises(errors.InvalidInput, match=message):
        client.predict_batch(rows)
    assert peer.asked == []


def test_one_row_needs_no_list(peer, says) -> None:
    score = {
        "prediction": 0.9,
        "is_anomaly": True,
        "raw_score": 0.7,
        "confidence": 0.8,
        "threshold": 0.5,
        "model_id": "01890000-0000-7000-8000-000000000001",
        "model_version": "1",
        "prediction_time": "2026-01-01T00:00:00Z",
        "latency_ms": 0.2,
    }
    peer.says("POST", "/api/v1/predict", says(score))
    with Client(peer.url) as client:
        answer = client.predict({"a": 1}, "thyroid", return_confidence=True)
    assert (answer.is_anomaly, answer.confidence) == (True, 0.8)
    assert peer.asked[0].json() == {"data": {"a": 1.0}, "model_id": "thyroid", "return_confidence": True}
