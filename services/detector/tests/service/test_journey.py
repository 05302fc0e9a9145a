"""Training, evaluation and batch detection, through a real worker and its child."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from pynomaly_contracts.jobs import DetectBatchResult, EvaluateResult, TrainResult


async def test_a_detector_is_trained_evaluated_and_used_on_a_whole_data_set(
    service: Any, make_rows: Callable[..., pa.Table]
) -> None:
    data = await service.peers.add_dataset("points", make_rows())
    detector = await service.create_detector(contamination=0.05)
    async with service.worker():
        trained = await service.finished(await service.submit("detectors/forest/train", dataset_id="points"))
        assert trained.state == "succeeded", trained.problem
        assert isinstance(trained.result, TrainResult)
        assert trained.result.model_version == "1"
        assert trained.result.feature_columns == ["a", "b"]
        assert trained.result.ignored_columns == ["name", "label"]
        assert trained.result.n_rows == 240
        assert trained.result.n_anomalies == 12
        assert trained.result.threshold_interval is not None
        assert trained.result.metrics is not None
        assert trained.result.metrics.roc_auc > 0.99
        assert set(trained.result.metrics.intervals) >= {"roc_auc", "precision_at_n", "recall"}

        now = (await service.client.get(f"/api/v1/detectors/{detector['id']}")).json()
        assert (now["state"], now["latest_version"]) == ("trained", "1")
        assert now["model_id"] == str(trained.result.model_id)

        evaluated = await service.finished(await service.submit("detectors/forest/evaluate", dataset_id=str(data.id)))
        assert isinstance(evaluated.result, EvaluateResult), evaluated.problem
        assert evaluated.result.roc_auc > 0.99
        assert evaluated.result.precision_at_n > 0.9
        assert evaluated.result.n_anomalies == 12
        low, high = evaluated.result.intervals["roc_auc"]
        assert low <= evaluated.result.roc_auc <= high

        scored = await service.finished(await service.submit("detect/batch", dataset_id="points", model_id="forest"))
        assert isinstance(scored.result, DetectBatchResult), scored.problem
        dataset, table = service.peers.datasets[str(scored.result.dataset_id)]
        assert dataset.name.startswith("points-scored-")
        assert dataset.target_column == "label"
        assert table.column_names == ["a", "b", "name", "label", "raw_score", "prediction", "is_anomaly"]
        assert table.drop_columns(["raw_score", "prediction", "is_anomaly"]).equals(make_rows())
        assert scored.result.n_anomalies == sum(table["is_anomaly"].to_pylist())
        assert abs(scored.result.n_anomalies - 12) <= 1


async def test_a_threshold_by_precision_is_trained_and_a_target_out_of_reach_fails_with_the_best_in_reach(
    service: Any, make_rows: Callable[..., pa.Table]
) -> None:
    points = make_rows(n_rows=400)
    half = pa.array([int(index >= 12 and index % 2) for index in range(400)])  # of the rows that are not far out
    await service.peers.add_dataset("points", points)
    await service.peers.add_dataset("noise", points.set_column(3, "label", half))
    await service.create_detector(threshold={"method": "precision", "target": 0.95})
    async with service.worker():
        trained = await service.finished(await service.submit("detectors/forest/train", dataset_id="points"))
        assert isinstance(trained.result, TrainResult), trained.problem
        assert trained.result.metrics is not None
        assert trained.result.metrics.precision is not None
        assert trained.result.metrics.precision >= 0.95
        assert trained.result.metrics.recall == pytest.approx(1.0, abs=0.1)

        refused = await service.finished(await service.submit("detectors/forest/train", dataset_id="noise"))
        assert refused.problem is not None
        assert (refused.state, refused.problem.type) == ("failed", "/problems/data-unfit")
        assert "no threshold reaches a precision of 0.95 on the labelled rows: the best is 0." in refused.problem.detail
        assert refused.problem.errors[0].field == "threshold.target"


async def test_labels_that_are_none_leave_a_training_without_figures_and_say_why(
    service: Any, make_rows: Callable[..., pa.Table]
) -> None:
    rows = make_rows()
    await service.peers.add_dataset("points", rows.set_column(3, "label", pa.array(["setosa"] * 240)))
    await service.create_detector()
    async with service.worker():
        trained = await service.finished(await service.submit("detectors/forest/train", dataset_id="points"))
        assert isinstance(trained.result, TrainResult), trained.problem
        assert trained.result.metrics is None
        assert trained.result.metrics_absent is not None
        assert trained.result.metrics_absent.startswith("column 'label', row 1: 'setosa' is not a label")
