"""The API: detectors, jobs, and what is refused."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest


async def post(service: Any, path: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    headers |= {"content-type": "application/json"}
    answer = await service.client.post(f"/api/v1/{path}", content=json.dumps(body), headers=headers)
    return answer.status_code, answer.json()


def fields(problem: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(error["field"], error["value"]) for error in problem["errors"]]


async def test_the_catalogue_lists_algorithms_with_the_schema_of_their_parameters(service: Any) -> None:
    listed = (await service.client.get("/api/v1/algorithms")).json()["items"]
    assert {"IForest", "ECOD", "HBOS", "KNN", "LOF", "PCA"} <= {algorithm["name"] for algorithm in listed}
    one = (await service.client.get("/api/v1/algorithms/IForest")).json()
    assert one["parameters_schema"]["properties"]["n_estimators"]["type"] == "integer"
    missing = await service.client.get("/api/v1/algorithms/Oracle")
    assert (missing.status_code, missing.json()["type"]) == (404, "/problems/algorithm-not-found")


async def test_pyods_other_detectors_are_listed_with_why_they_are_not_and_refused_with_what_to_use(
    service: Any,
) -> None:
    elsewhere = (await service.client.get("/api/v1/algorithms")).json()["elsewhere"]
    (found,) = [each for each in elsewhere if each["name"] == "XGBOD"]
    assert (found["kind"], found["instead"]) == ("not_offered", ["IForest", "ECOD"])
    assert found["reason"].startswith("learns from labelled anomalies")
    refused = await service.client.post("/api/v1/detectors", json={"name": "x", "algorithm": "XGBOD"})
    assert (refused.status_code, fields(refused.json())) == (422, [("body.algorithm", "XGBOD")])
    assert "XGBOD cannot be trained: it learns from labelled" in refused.json()["errors"][0]["message"]
    missing = await service.client.get("/api/v1/algorithms/XGBOD")
    assert (missing.status_code, missing.json()["type"]) == (404, "/problems/algorithm-not-found")


async def test_an_algorithm_for_batches_is_listed_with_the_rows_that_it_takes(service: Any) -> None:
    one = (await service.client.get("/api/v1/algorithms/LOCI")).json()
    assert (one["online"], one["max_rows"]) == (False, 300)
    online = (await service.client.get("/api/v1/algorithms/IForest")).json()
    assert (online["online"], online["max_rows"]) == (True, None)


async def test_a_detector_is_found_by_id_and_by_name(service: Any) -> None:
    created = await service.create_detector(seed=4, description="first")
    assert (created["state"], created["seed"], created["contamination"]) == ("untrained", 4, 0.1)
    for ref in (created["id"], "forest"):
        assert (await service.client.get(f"/api/v1/detectors/{ref}")).json() == created


async def test_detectors_are_listed_newest_first_in_pages(service: Any) -> None:
    for name in ("one", "two", "three"):
        await service.create_detector(name)
    first = (await service.client.get("/api/v1/detectors", params={"limit": 2})).json()
    rest = await service.client.get("/api/v1/detectors", params={"limit": 2, "cursor": first["next_cursor"]})
    assert [item["name"] for item in first["items"]] == ["three", "two"]
    assert [item["name"] for item in rest.json()["items"]] == ["one"]
    assert rest.json()["next_cursor"] is None


async def test_patching_changes_what_is_sent_and_nothing_else(service: Any) -> None:
    await service.create_detector(description="first", seed=4)
    changed = await service.client.patch("/api/v1/detectors/forest", json={"contamination": 0.2, "description": None})
    assert changed.status_code == 200
    body = changed.json()
    assert (body["contamination"], body["description"], body["seed"]) == (0.2, None, 4)
    wrong = await service.client.patch("/api/v1/detectors/forest", json={"parameters": {"n_trees": 1}})
    assert (wrong.status_code, fields(wrong.json())) == (422, [("body.parameters.n_trees", 1)])


async def test_a_detector_says_how_its_threshold_is_chosen_until_it_is_told_otherwise(service: Any) -> None:
    created = await service.create_detector(threshold={"method": "precision", "target": 0.9})
    assert created["threshold"] == {"method": "precision", "target": 0.9}
    changes = {"threshold": {"method": "false_alarm_rate", "target": 0.01}}
    changed = (await service.client.patch("/api/v1/detectors/forest", json=changes)).json()
    assert changed["threshold"] == changes["threshold"]
    wrong = await service.client.patch("/api/v1/detectors/forest", json={"threshold": {"method": "precision"}})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "body.threshold")
    assert "precision needs a target" in wrong.json()["errors"][0]["message"]


async def test_a_threshold_on_labels_refuses_data_without_a_target_column_before_a_job_exists(
    service: Any, make_rows: Callable[..., pa.Table]
) -> None:
    await service.peers.add_dataset("plain", make_rows(), target=None)
    await service.create_detector(threshold={"method": "false_alarm_rate", "target": 0.01})
    status, problem = await post(service, "detectors/forest/train", {"dataset_id": "plain"})
    assert (status, problem["type"]) == (422, "/problems/data-unfit")
    assert "has no target column, and detector 'forest' chooses its threshold by false_alarm_rate" in problem["detail"]


async def test_a_deleted_detector_is_gone_and_its_name_is_free(service: Any) -> None:
    await service.create_detector()
    assert (await service.client.delete("/api/v1/detectors/forest")).status_code == 204
    assert (await service.client.get("/api/v1/detectors/forest")).status_code == 404
    assert (await post(service, "detectors/forest/train", {"dataset_id": "x"}))[0] == 404
    await service.create_detector()


async def test_a_taken_name_is_a_conflict_that_names_it(service: Any) -> None:
    await service.create_detector()
    status, problem = await post(service, "detectors", {"name": "forest", "algorithm": "ECOD"})
    assert (status, problem["type"], fields(problem)) == (409, "/problems/name-taken", [("body.name", "forest")])


@pytest.mark.parametrize("contamination", [0, 0.6, "a", -1, None])
async def test_contamination_outside_its_range_is_refused(service: Any, contamination: Any) -> None:
    body = {"name": "x", "algorithm": "IForest", "contamination": contamination}
    status, problem = await post(service, "detectors", body)
    assert (status, problem["errors"][0]["field"]) == (422, "body.contamination")


@pytest.mark.parametrize(
    ("algorithm", "parameters", "field"),
    [
        ("Oracle", {}, "body.algorithm"),
        ("IForest", {"n_trees": 10}, "body.parameters.n_trees"),
        ("IForest", {"n_estimators": 0}, "body.parameters.n_estimators"),
        ("IForest", {"n_estimators": "ten"}, "body.parameters.n_estimators"),
        ("IForest", {"n_estimators": 10**30}, "body.parameters.n_estimators"),
        ("GMM", {"tol": 10**30}, "body.parameters.tol"),
        ("GMM", {"tol": float("inf")}, "body.parameters.tol"),
        ("KNN", {"method": "\ud800"}, "body.parameters.method"),
    ],
)
async def test_an_unknown_algorithm_or_parameter_is_refused_with_what_is_allowed(
    service: Any, algorithm: str, parameters: dict[str, Any], field: str
) -> None:
    body = {"name": "x", "algorithm": algorithm, "parameters": parameters}
    status, problem = await post(service, "detectors", body)
    assert (status, problem["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e400"])
async def test_numbers_that_json_does_not_have_are_refused(service: Any, literal: str) -> None:
    content = f'{{"name": "x", "algorithm": "IForest", "contamination": {literal}}}'
    headers = {"content-type": "application/json"}
    answer = await service.client.post("/api/v1/detectors", content=content, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.contamination")


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [("{", "application/json", 400), ("a,b", "text/csv", 415), ("x" * (65 * 2**20), "application/json", 413)],
    ids=["malformed", "not JSON", "over the cap"],
)
async def test_a_body_that_cannot_be_read_is_a_problem(
    service: Any, content: str, content_type: str, status: int
) -> None:
    answer = await service.client.post("/api/v1/detectors", content=content, headers={"content-type": content_type})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_column_named_twice_is_refused(service: Any) -> None:
    body = {"name": "x", "algorithm": "ECOD", "feature_columns": ["a", "b", "a"]}
    assert fields((await post(service, "detectors", body))[1]) == [("body.feature_columns", "a")]


async def test_the_same_key_creates_one_detector_and_one_job(service: Any, make_rows: Callable[..., pa.Table]) -> None:
    await service.peers.add_dataset("points", make_rows())
    create = {"name": "forest", "algorithm": "IForest"}
    first = await post(service, "detectors", create, **{"idempotency-key": "k"})
    assert await post(service, "detectors", create, **{"idempotency-key": "k"}) == first
    train = ("detectors/forest/train", {"dataset_id": "points"})
    first = await post(service, *train, **{"idempotency-key": "k"})
    assert await post(service, *train, **{"idempotency-key": "k"}) == first
    assert len((await service.client.get("/api/v1/jobs")).json()["items"]) == 1
    other = await post(service, train[0], {"dataset_id": "other"}, **{"idempotency-key": "k"})
    assert (other[0], other[1]["type"]) == (422, "/problems/idempotency-key-reused")


@pytest.mark.parametrize("ref", ["unknown", "../jobs", "a/b", "\x00"])
async def test_training_on_a_data_set_that_does_not_exist_is_a_404_that_names_it(service: Any, ref: str) -> None:
    await service.create_detector()
    status, problem = await post(service, "detectors/forest/train", {"dataset_id": ref})
    assert (status, problem["type"]) == (404, "/problems/dataset-not-found")
    assert fields(problem) == [("body.dataset_id", ref)]


async def test_training_on_a_deleted_data_set_fails_the_job_that_was_queued_before(
    service: Any, make_rows: Callable[..., pa.Table]
) -> None:
    await service.peers.add_dataset("points", make_rows())
    await service.create_detector()
    job_id = await service.submit("detectors/forest/train", dataset_id="points")
    service.peers.datasets.clear()
    async with service.worker_here():
        job = await service.finished(job_id)
    assert (job.state, job.attempts) == ("failed", 1)
    assert job.problem.type == "/problems/dataset-not-found"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"a": [1.0]}, "training needs at least 2"),
        ({"name": ["x", "y"], "label": [0, 1]}, "no numeric column"),
    ],
    ids=["one row", "no numeric column"],
)
async def test_training_on_data_that_does_not_fit_is_refused_at_once(
    service: Any, table: dict[str, Any], words: str
) -> None:
    await service.peers.add_dataset("small", pa.table(table))
    await service.create_detector()
    status, problem = await post(service, "detectors/forest/train", {"dataset_id": "small"})
    assert (status, problem["type"]) == (422, "/problems/data-unfit")
    assert words in problem["detail"]


async def test_each_feature_column_that_the_data_lacks_is_named(
    service: Any, make_rows: Callable[..., pa.Table]
) -> None:
    await service.peers.add_dataset("points", make_rows())
    await service.create_detector(
        feature_columns=["a", "name", "height", "label"], preprocessing={"categories": "reject"}
    )
    _, problem = await post(service, "detectors/forest/train", {"dataset_id": "points"})
    assert [value for _, value in fields(problem)] == ["name", "height", "label"]


async def test_a_missing_value_fails_the_job_and_names_column_and_row(
    service: Any, make_rows: Callable[..., pa.Table]
) -> None:
    table = make_rows(20, 2)
    holes = table.set_column(1, "b", pa.array([*table["b"].to_pylist()[:7], None, *table["b"].to_pylist()[8:]]))
    await service.peers.add_dataset("holes", holes)
    await service.create_detector()
    job_id = await service.submit("detectors/forest/train", dataset_id="holes")
    async with service.worker_here():
        job = await service.finished(job_id)
    assert (job.state, job.attempts) == ("failed", 1)
    assert job.problem.type == "/problems/data-unfit"
    assert job.problem.errors[0].field == "b"
    assert "column 'b' has a missing value, first in row 8" in job.problem.detail


@pytest.mark.parametrize("version", ["2", "newest", "٣", "1" * 21], ids=["later", "word", "arabic", "long"])
async def test_another_version_of_the_data_set_does_not_exist(
    service: Any, make_rows: Callable[..., pa.Table], version: str
) -> None:
    await service.peers.add_dataset("points", make_rows())
    await service.create_detector()
    body = {"dataset_id": "points", "dataset_version": version}
    status, problem = await post(service, "detectors/forest/train", body)
    assert (status, fields(problem)) == (404, [("body.dataset_version", version)])


async def test_an_untrained_detector_cannot_be_evaluated(service: Any) -> None:
    await service.create_detector()
    status, problem = await post(service, "detectors/forest/evaluate", {"dataset_id": "points"})
    assert (status, problem["type"]) == (409, "/problems/detector-not-trained")


async def test_batch_detection_with_an_unknown_model_is_a_404(service: Any, make_rows: Callable[..., pa.Table]) -> None:
    await service.peers.add_dataset("points", make_rows())
    status, problem = await post(service, "detect/batch", {"dataset_id": "points", "model_id": "none"})
    assert (status, problem["type"]) == (404, "/problems/model-not-found")


async def test_a_version_that_the_model_does_not_have_is_a_404_that_names_it(
    service: Any, make_rows: Callable[..., pa.Table]
) -> None:
    await service.peers.add_dataset("points", make_rows())
    await service.create_detector()
    async with service.worker_here():
        await service.finished(await service.submit("detectors/forest/train", dataset_id="points"))
    model_id = (await service.client.get("/api/v1/detectors/forest")).json()["model_id"]
    body = {"dataset_id": "points", "model_id": model_id, "version": "9"}
    status, problem = await post(service, "detect/batch", body)
    assert (status, fields(problem)) == (404, [("body.version", "9")])
    body = {"dataset_id": "points", "model_version": "none"}
    status, problem = await post(service, "detectors/forest/evaluate", body)
    assert (status, fields(problem)) == (404, [("body.model_version", "none")])


async def test_a_peer_that_is_away_is_a_503_with_retry_after_and_shows_as_degraded(service: Any) -> None:
    await service.create_detector()
    service.peers.away = True
    for _ in range(5):
        answer = await service.client.post("/api/v1/detectors/forest/train", json={"dataset_id": "points"})
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/peer-unavailable")
        assert int(answer.headers["retry-after"]) >= 1
    status = (await service.client.get("/status")).json()
    assert status["status"] == "degraded"
    assert [item["dependency"] for item in status["dependencies"] if item["state"] == "open"] == ["dataset"]
    assert (await service.client.get("/ready")).status_code == 200


async def test_jobs_are_listed_by_state_and_kind(service: Any, make_rows: Callable[..., pa.Table]) -> None:
    await service.peers.add_dataset("points", make_rows())
    await service.create_detector()
    cancelled, queued = [await service.submit("detectors/forest/train", dataset_id="points") for _ in range(2)]
    assert (await service.client.post(f"/api/v1/jobs/{cancelled}/cancel")).json()["state"] == "cancelled"

    async def listed(**query: str) -> list[str]:
        answer = await service.client.get("/api/v1/jobs", params=query)
        return [item["id"] for item in answer.json()["items"]]

    assert await listed() == [str(queued), str(cancelled)]
    assert await listed(state="queued") == [str(queued)]
    assert await listed(state="cancelled", kind="train") == [str(cancelled)]
    assert await listed(kind="evaluate") == []


async def test_an_unknown_job_is_a_404_everywhere(service: Any) -> None:
    job = "/api/v1/jobs/00000000-0000-7000-8000-000000000000"
    answers = [await service.client.get(job), await service.client.get(f"{job}/events")]
    answers.append(await service.client.post(f"{job}/cancel"))
    assert [answer.status_code for answer in answers] == [404, 404, 404]


async def test_events_tell_every_change_and_end_with_the_job(service: Any, make_rows: Callable[..., pa.Table]) -> None:
    await service.peers.add_dataset("points", make_rows())
    await service.create_detector()
    job_id = await service.submit("detectors/forest/train", dataset_id="points")
    async with service.worker_here():
        answer = await service.client.get(f"/api/v1/jobs/{job_id}/events", headers={"last-event-id": "from before"})
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [dict(line.split(": ", 1) for line in block.split("\n")) for block in answer.text.strip().split("\n\n")]
    jobs = [json.loads(event["data"]) for event in events if event.get("event") == "progress"]
    states = list(dict.fromkeys(job["state"] for job in jobs))
    assert states == ["queued", "running", "succeeded"][-len(states) :]  # the worker may be sooner than the question
    assert len(states) > 1
    assert [job["progress"] for job in jobs] == sorted(job["progress"] for job in jobs)
    assert len(jobs) > 3
    assert events[-1]["event"] == "end"
    assert json.loads(events[-1]["data"]) == jobs[-1]

    again = await service.client.get(f"/api/v1/jobs/{job_id}/events", headers={"last-event-id": events[-1]["id"]})
    assert [line for line in again.text.split("\n") if line.startswith("event")] == ["event: end"]


def test_neither_the_api_nor_the_worker_imports_what_only_children_need() -> None:
    program = "import sys, detector_service.app; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"fastapi", "sqlalchemy"} <= set(loaded)
    assert not {"pyod", "sklearn", "scipy", "onnx", "onnxruntime", "pyarrow", "polars"} & set(loaded)
