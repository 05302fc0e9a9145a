"""Training, evaluation and batch detection, through a real worker and its child."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
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

        now = (await service.client.get(f"/api/v1/detectors/{detector['id']}")).json()
        assert (now["state"], now["latest_version"]) == ("trained", "1")
        assert now["model_id"] == str(trained.result.model_id)

        evaluated = await service.finished(await service.submit("detectors/forest/evaluate", dataset_id=str(data.id)))
        assert isinstance(evaluated.result, EvaluateResult), evaluated.problem
        assert evaluated.result.roc_auc > 0.99
        assert evaluated.result.precision_at_n > 0.9
        assert evaluated.result.n_anomalies == 12

        scored = await service.finished(await service.submit("detect/batch", dataset_id="points", model_id="forest"))
        assert isinstance(scored.result, DetectBatchResult), scored.problem
        dataset, table = service.peers.datasets[str(scored.result.dataset_id)]
        assert dataset.name.startswith("points-scored-")
        assert dataset.target_column == "label"
        assert table.column_names == ["a", "b", "name", "label", "raw_score", "prediction", "is_anomaly"]
        assert table.drop_columns(["raw_score", "prediction", "is_anomaly"]).equals(make_rows())
        assert scored.result.n_anomalies == sum(table["is_anomaly"].to_pylist())
        assert abs(scored.result.n_anomalies - 12) <= 1
