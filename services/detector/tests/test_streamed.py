"""A fit that never holds all rows gives the model of one that does."""

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from detector_service.compile import run_graph
from detector_service.domain import Unfit
from detector_service.evaluation.supervision import Supervision, supervise
from detector_service.evaluation.thresholds import Target
from detector_service.features import SourceColumn
from detector_service.training.fit import TrainedDetector, fit_detector
from detector_service.training.in_order import in_order
from detector_service.training.request import FitRequest
from detector_service.training.streamed import RowStream, fit_streamed
from numpy.typing import NDArray
from pynomaly_scoring import Rows

N_ROWS = 6000


def request(algorithm: str = "IForest", columns: tuple[SourceColumn, ...] = (), **parameters: Any) -> FitRequest:
    return FitRequest(
        algorithm=algorithm,
        parameters=parameters,
        contamination=0.05,
        seed=4,
        feature_names=("a", "b", "c"),
        dataset_id="0197-data",
        dataset_version="1",
        columns=columns,
    )


def table(n_rows: int = N_ROWS) -> NDArray[np.float64]:
    return np.random.default_rng(1).normal(size=(n_rows, 3))


def ignore_stage(stage: str, progress: float) -> None:
    """Progress that nobody watches."""


def in_blocks(rows: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    """Of uneven sizes."""
    return iter(np.split(rows, [0, 1, 700, 3001]))


def row_stream(blocks: Callable[[], Iterator[NDArray[np.float64]]], n_rows: int, folder: Path) -> RowStream:
    def numbers(block: NDArray[np.float64], places: NDArray[np.int64] | None) -> NDArray[np.float64]:
        return np.ascontiguousarray(block if places is None else block[places])

    return RowStream(blocks, len, numbers, n_rows, folder, 2)


def streamed(
    wanted: FitRequest, rows: NDArray[np.float64], folder: Path, supervision: Supervision | None = None
) -> TrainedDetector:
    stream = row_stream(lambda: in_blocks(rows), len(rows), folder)
    found = fit_streamed(wanted, stream, ignore_stage, supervision or Supervision())
    assert list(folder.iterdir()) == []
    return found


def assert_same(found: TrainedDetector, expected: TrainedDetector, rows: NDArray[np.float64]) -> None:
    """But for rounding."""
    ours, theirs = (run_graph(onnx.load_from_string(each.model), rows) for each in (found, expected))
    for name in ("raw_score", "prediction", "confidence"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(ours["is_anomaly"], theirs["is_anomaly"])
    assert _without_scores(found) == _without_scores(expected)
    assert found.n_anomalies == expected.n_anomalies


def _without_scores(trained: TrainedDetector) -> dict[str, Any]:
    """The manifest, but for what is computed from scores."""
    left_out = ("threshold", "score_distribution", "threshold_interval")
    return {name: value for name, value in asdict(trained.manifest).items() if name not in left_out}


@pytest.mark.parametrize(
    "wanted",
    [
        request(),
        request(n_estimators=7, max_samples=100, max_features=0.7),
        request(n_estimators=7, max_samples=0.01, bootstrap=True),
        request(n_estimators=4, max_samples=600),
        request("INNE", n_estimators=20),
    ],
    ids=["forest", "forest-of-few-columns", "forest-drawn-with-replacement", "deep-forest", "spheres"],
)
def test_the_same_rows_are_drawn_and_the_same_is_learned_from_them(wanted: FitRequest, tmp_path: Path) -> None:
    found = streamed(wanted, table(), tmp_path)
    assert_same(found, fit_detector(wanted, table(), ignore_stage), table())


@pytest.mark.parametrize("scaling", ["standard", "robust", "quantile"])
def test_preprocessing_is_fitted_to_every_row(scaling: Any, tmp_path: Path) -> None:
    columns = (
        SourceColumn(name="a", missing="indicator", scaling=scaling),
        SourceColumn(name="b", type="datetime", missing="median", scaling=scaling),
        SourceColumn(name="c"),
    )
    rows = table()
    rows[:, 1] = np.round(1e9 + 1e7 * rows[:, 1])
    rows[5000::7, 0] = np.nan
    rows[11::13, 1] = np.nan
    wanted = request(columns=columns, n_estimators=10)
    expected = fit_detector(wanted, rows, ignore_stage)
    assert_same(streamed(wanted, rows, tmp_path), expected, rows)
    assert "a missing" in expected.manifest.preprocessing["features"]


def test_labels_give_the_threshold_and_the_figures_of_all_rows(tmp_path: Path) -> None:
    rows, labels = table(), np.arange(N_ROWS) % 50 == 0
    rows[labels] += 4
    supervision = supervise(labels, "label", Target("precision", 0.6), 4)
    wanted = request(n_estimators=10)
    expected = fit_detector(wanted, rows, ignore_stage, supervision)
    found = streamed(wanted, rows, tmp_path, supervision)
    assert found.manifest.metrics == expected.manifest.metrics
    assert found.manifest.threshold == pytest.approx(expected.manifest.threshold, abs=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=["missing", "infinite"])
def test_a_value_that_cannot_be_taken_is_named_with_its_row_among_all(value: float, tmp_path: Path) -> None:
    rows = table()
    rows[4000, 1] = value
    with pytest.raises(Unfit, match=r"column 'b' has an? (missing|infinite) value, first in row 4001;"):
        streamed(request(), rows, tmp_path)


def test_a_column_without_any_value_is_named(tmp_path: Path) -> None:
    rows = table()
    rows[:, 2] = np.nan
    columns = tuple(SourceColumn(name=name, missing="median") for name in "abc")
    with pytest.raises(Unfit, match="column 'c' has no value in any row"):
        streamed(request(columns=columns), rows, tmp_path)


def test_no_file_of_a_column_stays_open_between_blocks(tmp_path: Path) -> None:
    n_open: list[int] = []

    def counted() -> Iterator[NDArray[np.float64]]:
        for block in np.split(table(), 6):
            n_open.append(len([path for path in Path("/dev/fd").iterdir() if _is_within(path, tmp_path)]))
            yield block

    columns = tuple(SourceColumn(name=name, missing="median") for name in "abc")
    stream = row_stream(counted, N_ROWS, tmp_path)
    fit_streamed(request(columns=columns, n_estimators=5), stream, ignore_stage, Supervision())
    assert n_open == [0] * 18


def _is_within(descriptor: Path, folder: Path) -> bool:
    return os.path.realpath(descriptor).startswith(str(folder))


def test_a_stream_of_other_rows_than_were_announced_is_no_training(tmp_path: Path) -> None:
    stream = row_stream(lambda: in_blocks(table()), N_ROWS + 1, tmp_path)
    with pytest.raises(RuntimeError, match="has 6000 rows, not 6001"):
        fit_streamed(request(), stream, ignore_stage, Supervision())


def test_work_of_many_threads_comes_in_the_order_of_its_items() -> None:
    rows = [Rows(np.full((1, 1), number)) for number in range(50)]
    assert [int(found) for found in in_order(4, lambda item: item.numeric[0, 0], iter(rows))] == list(range(50))
