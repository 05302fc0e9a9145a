"""Jobs over HTTP and by real workers: chosen, counted, limited in number and time, tried again, forgotten."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import psutil
import pyarrow as pa
import pytest
import sqlalchemy as sa
from detector_service import tables
from detector_service.app import create_app
from detector_service.settings import Settings
from pydantic import SecretStr
from pynomaly_chassis.ids import utc_now
from pynomaly_contracts.jobs import TrainResult

TRAIN = "detectors/forest/train"
JOBS = "/api/v1/jobs"


@pytest.fixture
async def ready(service: Any, make_rows: Callable[..., pa.Table]) -> Any:
    """A service with a detector, and a data set to train it on."""
    await service.peers.add_dataset("points", make_rows())
    await service.create_detector()
    return service


@asynccontextmanager
async def another_api(service: Any, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """An API on the same database, with settings of its own."""
    told = {name.lower(): value for name, value in service.environment.items()}
    app = create_app(Settings(**(told | {"database_url": SecretStr(told["database_url"])} | settings)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://detector") as client,
    ):
        yield client


async def failed(ready: Any) -> UUID:
    """A job whose data set was deleted before it began, and is there again."""
    job_id = await ready.submit(TRAIN, dataset_id="points")
    kept = dict(ready.peers.datasets)
    ready.peers.datasets.clear()
    async with ready.worker_here():
        assert (await ready.finished(job_id)).state == "failed"
    ready.peers.datasets.update(kept)
    return UUID(str(job_id))


async def test_jobs_are_chosen_by_detector_and_time_and_counted(ready: Any) -> None:
    other = await ready.create_detector("another")
    first = await ready.submit(TRAIN, dataset_id="points")
    second = await ready.submit("detectors/another/train", dataset_id="points")
    moment = (await ready.client.get(f"{JOBS}/{second}")).json()["created_at"]

    async def listed(**query: str) -> list[str]:
        answer = await ready.client.get(JOBS, params=query)
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["items"]]

    assert await listed(detector="forest") == [str(first)]
    assert await listed(detector=other["id"], state="queued") == [str(second)]
    assert await listed(created_after=moment) == [str(second)]
    assert await listed(created_before=moment, kind="train") == [str(first)]
    await ready.client.post(f"{JOBS}/{first}/cancel")
    summary = (await ready.client.get(f"{JOBS}/summary")).json()
    assert [summary[name] for name in ("queued", "cancelled", "running", "max_queued")] == [1, 1, 0, 1000]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"created_after": "yesterday"}, 422),
        ({"created_before": "2026-01-01T00:00:00"}, 422),
        ({"detector": "no"}, 404),
    ],
    ids=["no moment", "no zone", "no detector"],
)
async def test_a_choice_that_cannot_be_made_is_refused(ready: Any, query: dict[str, str], status: int) -> None:
    assert (await ready.client.get(JOBS, params=query)).status_code == status


async def test_a_waiting_job_tells_its_place_and_a_running_one_none(ready: Any) -> None:
    first, second = [await ready.submit(TRAIN, dataset_id="points") for _ in range(2)]
    places = [(await ready.client.get(f"{JOBS}/{job_id}")).json()["queue"] for job_id in (first, second)]
    assert places == [{"position": 1, "starts_in_s": None}, {"position": 2, "starts_in_s": None}]
    listed = (await ready.client.get(JOBS)).json()["items"]
    assert [item["queue"]["position"] for item in listed] == [2, 1]
    ready.peers.open_gate.clear()
    async with ready.worker_here():
        assert (await ready.until(first, lambda job: job.state == "running")).queue is None
        assert (await ready.until(second, lambda job: job.queue.position == 1)).state == "queued"


async def test_a_failed_job_is_tried_again_as_a_new_one_that_names_it(ready: Any) -> None:
    job_id = await failed(ready)
    keyed = {"idempotency-key": "again"}
    first = await ready.client.post(f"{JOBS}/{job_id}/retry", headers=keyed)
    again = await ready.client.post(f"{JOBS}/{job_id}/retry", headers=keyed)
    keyless = await ready.client.post(f"{JOBS}/{job_id}/retry")
    assert [answer.status_code for answer in (first, again, keyless)] == [202, 202, 202]
    retry_id = first.json()["job_id"]
    assert {answer.json()["job_id"] for answer in (again, keyless)} == {retry_id}
    assert first.headers["location"] == f"{JOBS}/{retry_id}"
    async with ready.worker_here():
        job = await ready.finished(UUID(retry_id))
    assert (job.state, job.retry_of) == ("succeeded", job_id), job.problem
    assert (await ready.client.get(f"{JOBS}/{job_id}")).json()["state"] == "failed"
    refused = await ready.client.post(f"{JOBS}/{retry_id}/retry")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/job-not-retriable")


async def test_a_job_of_a_deleted_detector_is_not_tried_again(ready: Any) -> None:
    job_id = await failed(ready)
    await ready.client.delete("/api/v1/detectors/forest")
    refused = await ready.client.post(f"{JOBS}/{job_id}/retry")
    assert (refused.status_code, "was deleted" in refused.json()["detail"]) == (409, True)


async def test_a_training_stays_as_long_as_its_detector_and_other_jobs_go_when_asked(ready: Any) -> None:
    lost = await failed(ready)
    trained = await ready.submit(TRAIN, dataset_id="points")
    assert (await ready.client.delete(f"{JOBS}/{trained}")).json()["type"] == "/problems/job-not-finished"
    async with ready.worker_here():
        assert (await ready.finished(trained)).state == "succeeded"
    assert (await ready.client.delete(f"{JOBS}/{lost}")).status_code == 204
    assert (await ready.client.delete(f"{JOBS}/{lost}")).status_code == 404
    refused = await ready.client.delete(f"{JOBS}/{trained}")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/job-needed")
    assert "version 1 of model 'forest'" in refused.json()["detail"]
    await ready.client.delete("/api/v1/detectors/forest")
    assert (await ready.client.delete(f"{JOBS}/{trained}")).status_code == 204


async def test_one_job_too_many_is_a_429_that_names_limit_and_count(ready: Any) -> None:
    async with another_api(ready, max_queued_jobs_per_tenant=1) as client:
        body = {"dataset_id": "points"}
        assert (await client.post(f"/api/v1/{TRAIN}", json=body)).status_code == 202
        refused = await client.post(f"/api/v1/{TRAIN}", json=body, headers={"idempotency-key": "k"})
        problem = refused.json()
        assert (refused.status_code, problem["type"]) == (429, "/problems/job-queue-full")
        assert (problem["limit"], problem["queued"], refused.headers["retry-after"]) == (1, 1, "30")
        (waiting,) = (await client.get(JOBS)).json()["items"]
        await client.post(f"{JOBS}/{waiting['id']}/cancel")
        again = await client.post(f"/api/v1/{TRAIN}", json=body, headers={"idempotency-key": "k"})
        assert again.status_code == 202


async def test_a_time_limit_over_the_services_own_is_refused_with_it(ready: Any) -> None:
    async with another_api(ready, job_time_limit_s=60) as client:
        refused = await client.post(f"/api/v1/{TRAIN}", json={"dataset_id": "points", "time_limit_s": 61})
    (wrong,) = refused.json()["errors"]
    assert (refused.status_code, wrong["field"], wrong["value"]) == (422, "body.time_limit_s", 61)
    assert "at most 60 here" in wrong["message"]


async def test_a_job_over_its_time_limit_fails_at_once_names_the_limit_and_leaves_but_the_child_in_reserve(
    ready: Any,
) -> None:
    await ready.peers.add_dataset("many", pa.table({"a": range(20_000)}))
    await ready.create_detector("slow", parameters={"n_estimators": 2000})
    ready.peers.open_gate.clear()
    job_id = await ready.submit("detectors/slow/train", dataset_id="many", time_limit_s=3)
    async with ready.worker_here():
        in_reserve = ready.child()
        await ready.peers.until(lambda peers: peers.n_row_requests == 1)
        job = await ready.finished(job_id)
        left = ready.child()
        ready.peers.open_gate.set()
    assert (job.state, job.attempts, left) == ("failed", 1, in_reserve)
    assert job.problem.type == "/problems/job-time-limit"
    assert "limit of 3 s" in job.problem.detail
    assert "a larger time_limit_s, at most 86400" in job.problem.detail


async def test_the_workers_limit_ends_even_a_child_that_hangs(ready: Any) -> None:
    await ready.peers.add_dataset("many", pa.table({"a": range(20_000)}))
    await ready.create_detector("slow", parameters={"n_estimators": 2000})
    job_id = await ready.submit("detectors/slow/train", dataset_id="many")
    async with ready.worker(job_time_limit_s=30) as worker:
        await ready.until(job_id, lambda job: job.stage in ("reading rows", "fitting"))
        child = worker.child()
        child.suspend()
        job = await ready.finished(job_id)
        gone, alive = psutil.wait_procs([child], timeout=10)
    assert (job.state, job.attempts, len(gone), alive) == ("failed", 1, 1, [])
    assert "whoever runs the suite can raise JOB_TIME_LIMIT_S" in job.problem.detail


async def test_a_worker_has_as_many_children_as_it_is_told_and_says_so(ready: Any) -> None:
    ready.peers.open_gate.clear()
    jobs = [await ready.submit(TRAIN, dataset_id="points") for _ in range(3)]
    async with ready.worker_here(workers=2) as _:
        await ready.peers.until(lambda peers: peers.n_row_requests == 2)
        (worker,) = (await ready.client.get("/status")).json()["workers"]
        assert (worker["lanes"], worker["alive"]) == (2, True)
        states = [(await ready.client.get(f"{JOBS}/{job_id}")).json()["state"] for job_id in jobs]
        assert states == ["running", "running", "queued"]
        ready.peers.open_gate.set()
        assert [(await ready.finished(job_id)).state for job_id in jobs] == ["succeeded"] * 3
    assert (await ready.client.get("/status")).json()["workers"] == []


async def test_a_killed_worker_is_still_told_until_it_is_taken_for_dead(ready: Any) -> None:
    ready.peers.open_gate.clear()
    job_id = await ready.submit(TRAIN, dataset_id="points")
    async with ready.worker() as worker:
        await ready.until(job_id, lambda job: job.state == "running")
        worker.send(signal.SIGKILL)
        await worker.ended()
    past = sa.func.now() - sa.text("interval '31 seconds'")
    async with ready.app.state.jobs._repository.transaction() as tx:
        await tx.connection.execute(sa.update(tables.job_store.workers).values(seen_at=past))
    (told,) = (await ready.client.get("/status")).json()["workers"]
    assert (told["alive"], told["silent_s"] >= 31) == (False, True)


async def test_a_tenants_limit_leaves_a_lane_to_others(ready: Any) -> None:
    ready.peers.open_gate.clear()
    busy = [await ready.submit(TRAIN, dataset_id="points") for _ in range(2)]
    async with ready.app.state.jobs._repository.transaction() as tx:
        job = await tx.jobs.get("default", busy[0])
        spec = await tx.connection.scalar(sa.select(tables.jobs.c.spec).where(tables.jobs.c.id == job.id))
        await tx.jobs.enqueue("quiet", "train", spec, headers={})
    async with ready.worker_here(workers=3, max_running_jobs_per_tenant=1):
        await ready.peers.until(lambda peers: peers.n_row_requests == 2)
        async with ready.app.state.jobs._repository.transaction() as tx:
            running = sa.select(tables.jobs.c.tenant_id).where(tables.jobs.c.state == "running")
            assert sorted(await tx.connection.scalars(running)) == ["default", "quiet"]
        ready.peers.open_gate.set()
        assert [(await ready.finished(job_id)).state for job_id in busy] == ["succeeded"] * 2


async def test_a_sweep_that_is_killed_is_ended_by_the_next_worker_and_spares_lineage(ready: Any) -> None:
    trained = await ready.submit(TRAIN, dataset_id="points")
    async with ready.worker_here():
        assert isinstance((await ready.finished(trained)).result, TrainResult)
    repository, jobs = ready.app.state.jobs._repository, tables.jobs
    await _copy_as_old_failures(repository, trained, 3000)

    async def n_old() -> int:
        async with repository.transaction() as tx:
            old = sa.select(sa.func.count()).where(jobs.c.state == "failed")
            return int(await tx.connection.scalar(old) or 0)

    async with ready.worker() as worker, asyncio.timeout(100):
        while await n_old() == 3000:  # each look is a round trip to the database
            pass
        worker.send(signal.SIGKILL)
        await worker.ended()
    assert await n_old() % 500 == 0  # whole transactions
    async with ready.worker_here(), asyncio.timeout(100):
        while await n_old():
            pass
    assert (await ready.client.get(f"{JOBS}/{trained}")).status_code == 200


async def _copy_as_old_failures(repository: Any, job_id: UUID, n_jobs: int) -> None:
    """And make the job itself as old."""
    jobs, ended = tables.jobs, utc_now() - timedelta(days=31)
    names = [column.name for column in jobs.c if column.name not in ("id", "state", "finished_at", "result")]
    async with repository.transaction() as tx:
        copied = sa.select(
            sa.func.gen_random_uuid(), sa.literal("failed"), sa.literal(ended), *(jobs.c[name] for name in names)
        ).where(jobs.c.id == job_id)
        many = copied.select_from(jobs.join(sa.func.generate_series(1, n_jobs).alias("n"), sa.true()))
        await tx.connection.execute(sa.insert(jobs).from_select(["id", "state", "finished_at", *names], many))
        await tx.connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(finished_at=ended))


@pytest.mark.parametrize("end", ["created_after", "created_before"])
@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"])
async def test_a_moment_at_the_ends_of_time_is_refused(service: Any, end: str, moment: str) -> None:
    answer = await service.client.get("/api/v1/jobs", params={end: moment})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == f"query.{end}"
