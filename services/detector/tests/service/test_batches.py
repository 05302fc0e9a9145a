"""Detectors whose algorithm scores a batch against itself: never trained, asked for whole data sets."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pynomaly_contracts.jobs import DetectBatchResult
from pyod.models.cof import COF


async def post(service: Any, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = await service.client.post(f"/api/v1/{path}", json=body)
    return answer.status_code, answer.json()


def fields(problem: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(error["field"], error["value"]) for error in problem["errors"]]


async def test_a_data_set_is_scored_against_itself_as_stock_pyod_scores_what_it_is_fitted_on(
    service: Any, make_rows: Callable[..., pa.Table]
) -> None:
    await service.peers.add_dataset("points", make_rows())
    detector = await service.create_detector(
        "chains", algorithm="COF", parameters={"n_neighbors": 10}, contamination=0.05
    )
    job_id = await service.submit("detect/batch", dataset_id="points", detector_id="chains", name="scored")
    async with service.worker():
        job = await service.finished(job_id)
    assert isinstance(job.result, DetectBatchResult), job.problem
    assert (job.kind, str(job.detector_id), job.result.model_id) == ("detect_batch", detector["id"], None)
    dataset, scored = service.peers.datasets[str(job.result.dataset_id)]
    assert (dataset.name, dataset.target_column) == ("scored", "label")
    assert scored.column_names == ["a", "b", "name", "label", "raw_score", "prediction", "is_anomaly"]
    stock = COF(contamination=0.05, n_neighbors=10).fit(make_rows().select(["a", "b"]).to_pandas().to_numpy())
    assert scored["raw_score"].to_pylist() == stock.decision_scores_.tolist()
    assert scored["is_anomaly"].to_pylist() == (stock.labels_ == 1).tolist()
    assert job.result.n_anomalies == stock.labels_.sum()


async def test_a_detector_for_batches_is_not_trained_nor_evaluated_and_says_what_to_do(
    service: Any, make_rows: Callable[..., pa.Table]
) -> None:
    await service.peers.add_dataset("points", make_rows())
    await service.create_detector("chance", algorithm="SOS", parameters={})
    for verb in ("train", "evaluate"):
        status, problem = await post(service, f"detectors/chance/{verb}", dataset_id="points")
        assert (status, problem["type"]) == (409, "/problems/detector-for-batches")
        assert "POST /api/v1/detect/batch with detector_id" in problem["detail"]
        assert problem["detail"].endswith("online would be KNN")


async def test_more_rows_than_the_algorithm_can_do_are_refused_with_the_figure(
    service: Any, make_rows: Callable[..., pa.Table]
) -> None:
    await service.peers.add_dataset("many", make_rows(301))
    await service.create_detector("cubic", algorithm="LOCI", parameters={})
    status, problem = await post(service, "detect/batch", dataset_id="many", detector_id="cubic")
    assert (status, problem["type"]) == (422, "/problems/data-unfit")
    assert "at most 300 rows, and these are 301; score a sample, or use LOF" in problem["detail"]


async def test_a_trained_detector_scores_with_its_latest_model_and_an_untrained_one_says_so(
    service: Any, make_rows: Callable[..., pa.Table]
) -> None:
    await service.peers.add_dataset("points", make_rows())
    await service.create_detector()
    status, problem = await post(service, "detect/batch", dataset_id="points", detector_id="forest")
    assert (status, problem["type"]) == (409, "/problems/detector-not-trained")
    async with service.worker():
        await service.finished(await service.submit("detectors/forest/train", dataset_id="points"))
        job = await service.finished(await service.submit("detect/batch", dataset_id="points", detector_id="forest"))
    assert isinstance(job.result, DetectBatchResult), job.problem
    assert job.result.model_version == "1"


async def test_a_batch_needs_either_a_model_or_a_detector(service: Any, make_rows: Callable[..., pa.Table]) -> None:
    await service.peers.add_dataset("points", make_rows())
    for named in ({}, {"model_id": "forest", "detector_id": "forest"}):
        status, problem = await post(service, "detect/batch", dataset_id="points", **named)
        assert status == 422
        assert "name either model_id or detector_id" in problem["errors"][0]["message"]


async def test_a_version_or_a_threshold_by_labels_makes_no_sense_for_a_batch_against_itself(
    service: Any, make_rows: Callable[..., pa.Table]
) -> None:
    await service.peers.add_dataset("points", make_rows())
    by_labels = {"method": "precision", "target": 0.9}
    await service.create_detector("chance", algorithm="SOS", parameters={})
    await service.create_detector("choosy", algorithm="SOS", parameters={}, threshold=by_labels)
    status, problem = await post(service, "detect/batch", dataset_id="points", detector_id="chance", version="1")
    assert (status, fields(problem)) == (422, [("body.version", "1")])
    status, problem = await post(service, "detect/batch", dataset_id="points", detector_id="choosy")
    assert status == 422
    assert "takes its threshold from contamination only" in problem["detail"]
