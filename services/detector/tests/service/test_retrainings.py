"""The next version as the one before, and how it differs."""

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pynomaly_contracts.jobs import TrainResult

if TYPE_CHECKING:
    from .conftest import Service


async def trained(service: "Service", table: pa.Table, name: str = "forest") -> None:
    await service.peers.add_dataset("points", table)
    await service.create_detector(name)
    await service.finished(await service.submit(f"detectors/{name}/train", dataset_id="points"))


async def retrained(service: "Service", **body: Any) -> TrainResult:
    job = await service.finished(await service.submit("detectors/forest/retrain", **body))
    assert isinstance(job.result, TrainResult), job.problem
    return job.result


async def test_the_next_version_on_the_same_rows_is_the_same_and_says_so(service: "Service", make_rows: Any) -> None:
    async with service.worker_here():
        await trained(service, make_rows())
        result = await retrained(service)
    assert (result.model_version, result.before is None) == ("2", False)
    assert result.before is not None
    assert (result.before.model_version, result.before.settings_changed) == ("1", [])
    assert (result.before.agreement, result.before.n_compared, result.before.agreement_absent) == (1.0, 240, None)
    assert (result.before.threshold, result.before.metrics) == (result.threshold, result.metrics)
    detector = (await service.client.get("/api/v1/detectors/forest")).json()
    assert detector["latest_version"] == "2"


async def test_a_version_on_other_rows_tells_threshold_figures_settings_and_agreement(
    service: "Service", make_rows: Any
) -> None:
    async with service.worker_here():
        await trained(service, make_rows())
        wider = make_rows(n_rows=400, n_anomalies=60, seed=9)
        other = await service.peers.add_dataset("wider", wider)
        changes = {"contamination": 0.2, "parameters": {"n_estimators": 20}}
        await service.client.patch("/api/v1/detectors/forest", json=changes)
        result = await retrained(service, dataset_id="wider")
    before = result.before
    assert before is not None
    assert before.dataset_id != other.id
    assert before.settings_changed == ["contamination", "parameters"]
    assert before.threshold != result.threshold
    assert before.metrics != result.metrics
    assert before.n_compared == 400
    assert before.agreement is not None
    assert 0.5 < before.agreement < 1


async def test_rows_that_the_version_before_cannot_score_train_all_the_same(service: "Service", make_rows: Any) -> None:
    async with service.worker_here():
        await trained(service, make_rows())
        await service.peers.add_dataset("less", make_rows().drop_columns(["b"]))
        result = await retrained(service, dataset_id="less")
    assert result.before is not None
    assert (result.model_version, result.before.agreement) == ("2", None)
    assert result.before.settings_changed == ["feature_columns"]
    assert "version 1 could not score these rows: " in (result.before.agreement_absent or "")
    assert "no column 'b'" in (result.before.agreement_absent or "")


async def test_a_training_that_follows_none_tells_of_none(service: "Service", make_rows: Any) -> None:
    async with service.worker_here():
        await trained(service, make_rows())
    jobs = (await service.client.get("/api/v1/jobs")).json()["items"]
    assert [job["result"]["before"] for job in jobs] == [None]


async def test_what_was_never_trained_is_not_trained_again(service: "Service") -> None:
    await service.create_detector()
    answer = await service.client.post("/api/v1/detectors/forest/retrain", json={})
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/detector-not-trained"
    assert "'forest' has no model yet; train it first" in answer.json()["detail"]


@pytest.mark.parametrize("gone", ["model", "data set"])
async def test_what_it_was_made_of_may_be_gone(service: "Service", make_rows: Any, gone: str) -> None:
    async with service.worker_here():
        await trained(service, make_rows())
    service.peers.versions.clear() if gone == "model" else service.peers.datasets.clear()
    answer = await service.client.post("/api/v1/detectors/forest/retrain", json={})
    if gone == "model":
        assert answer.status_code == 409
        assert "the model of detector 'forest' is gone" in answer.json()["detail"]
        assert "train it anew instead" in answer.json()["detail"]
    else:
        assert answer.status_code == 404
        assert answer.json()["detail"].startswith("version 1 was trained on it: no data set")
        assert answer.json()["detail"].endswith("name another with dataset_id")
        assert answer.json()["errors"][0]["field"] == "body.dataset_id"


async def test_a_batch_algorithm_has_nothing_to_train_again(service: "Service") -> None:
    await service.create_detector("chains", algorithm="COF", parameters={})
    answer = await service.client.post("/api/v1/detectors/chains/retrain", json={})
    assert answer.status_code == 409
    assert answer.json()["type"] == "/problems/detector-for-batches"
