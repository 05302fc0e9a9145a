"""Workers as processes: killed, stopped, asked to end, and cheated by their children."""

import signal
from collections.abc import Callable
from typing import Any

import psutil
import pyarrow as pa
import pytest
from pynomaly_contracts.jobs import TrainResult
from pynomaly_contracts.media import ARROW_STREAM

TRAIN = "detectors/forest/train"


@pytest.fixture
async def ready(service: Any, make_rows: Callable[..., pa.Table]) -> Any:
    """A service with a detector, and a data set to train it on."""
    await service.peers.add_dataset("points", make_rows())
    await service.create_detector()
    return service


def is_at_work(job: Any) -> bool:
    """Whether its child runs."""
    return job.stage in ("reading rows", "fitting")


async def test_a_job_survives_the_kill_of_its_worker_and_is_registered_once(ready: Any) -> None:
    ready.peers.open_gate.clear()
    job_id = await ready.submit(TRAIN, dataset_id="points")
    async with ready.worker(job_lease_s=1) as first:
        await ready.peers.until(lambda peers: peers.n_row_requests == 1)
        first.send(signal.SIGKILL)
        await first.ended()
    ready.peers.open_gate.set()
    async with ready.worker_here(job_lease_s=10):
        job = await ready.finished(job_id)
    assert job.state == "succeeded", job.problem
    assert job.attempts == 2
    assert len(ready.peers.versions) == 1


async def test_a_child_does_not_outlive_its_killed_worker(ready: Any) -> None:
    job_id = await _submit_long_training(ready)
    async with ready.worker() as worker:
        await ready.until(job_id, is_at_work)
        child = worker.child()
        worker.send(signal.SIGKILL)
        await worker.ended()
        gone, alive = psutil.wait_procs([child], timeout=5)
    assert (gone, alive) == ([child], [])


async def test_a_worker_that_wakes_late_cannot_finish_what_another_took_over(ready: Any) -> None:
    ready.peers.open_gate.clear()
    job_id = await ready.submit(TRAIN, dataset_id="points")
    async with ready.worker(job_lease_s=1) as sleeper:
        await ready.peers.until(lambda peers: peers.n_row_requests == 1)
        sleeper.send(signal.SIGSTOP)
        async with ready.worker_here(job_lease_s=10):
            await ready.peers.until(lambda peers: peers.n_row_requests == 2)
            sleeper.send(signal.SIGCONT)
            ready.peers.open_gate.set()
            job = await ready.finished(job_id)
        sleeper.send(signal.SIGTERM)
        assert await sleeper.ended() == -signal.SIGTERM
    assert (job.state, job.attempts) == ("succeeded", 2), job.problem
    assert await ready.until(job_id, lambda _: True) == job
    assert len(ready.peers.versions) == 1


async def test_a_worker_that_is_asked_to_end_hands_its_job_back_at_once(ready: Any) -> None:
    job_id = await _submit_long_training(ready)
    async with ready.worker(job_lease_s=600) as worker:
        await ready.until(job_id, is_at_work)
        child = worker.child()
        worker.send(signal.SIGTERM)
        await worker.ended()
        assert not child.is_running()
    job = await ready.until(job_id, lambda _: True)
    assert (job.state, job.attempts, job.problem) == ("queued", 1, None)


async def test_a_running_job_is_cancelled_within_two_seconds_with_its_child(ready: Any) -> None:
    job_id = await _submit_long_training(ready)
    async with ready.worker_here():
        await ready.until(job_id, lambda job: job.stage == "fitting")
        child = ready.child()
        answer = await ready.client.post(f"/api/v1/jobs/{job_id}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "running")
        job = await ready.until(job_id, lambda job: job.state == "cancelled", timeout_s=20)  # 2 s, and slack
        assert not child.is_running()
    assert job.finished_at is not None
    again = await ready.client.post(f"/api/v1/jobs/{job_id}/cancel")
    assert (again.status_code, again.json()["state"]) == (200, "cancelled")
    assert ready.peers.versions == []


async def test_a_job_whose_child_is_killed_three_times_is_quarantined_with_the_signal(ready: Any) -> None:
    job_id = await _submit_long_training(ready)
    async with ready.worker_here(job_poll_s=0.05):
        for attempt in (1, 2, 3):
            await ready.until(job_id, lambda job, n=attempt: is_at_work(job) and job.attempts == n)
            ready.child().kill()
        job = await ready.finished(job_id)
    assert (job.state, job.attempts) == ("failed", 3)
    assert job.problem.type == "/problems/job-quarantined"
    assert "signal SIGKILL" in job.problem.detail
    assert "memory limit 4096 MiB" in job.problem.detail


async def test_a_job_over_the_memory_limit_fails_at_once_and_names_it(ready: Any) -> None:
    values = pa.array(range(20_000), pa.int64())
    await ready.peers.add_dataset("wide", pa.table({f"c{index}": values for index in range(500)}))
    job_id = await ready.submit(TRAIN, dataset_id="wide")
    async with ready.worker(job_memory_limit_mb=260, openblas_num_threads=1):  # its threads take memory, by core
        job = await ready.finished(job_id)
    assert (job.state, job.attempts) == ("failed", 1), job.problem
    assert job.problem.type == "/problems/job-memory-limit"
    assert "260 MiB" in job.problem.detail


async def test_a_retry_after_registration_registers_the_same_artefact_again(ready: Any) -> None:
    """Signatures are random: without the first artefact, the retry would make a second version."""
    job_id = await ready.submit(TRAIN, dataset_id="points")
    ready.peers.answer_gate.clear()
    async with ready.worker(job_lease_s=1) as first:
        await ready.peers.until(lambda peers: len(peers.versions) == 1)
        first.send(signal.SIGKILL)
        await first.ended()
    ready.peers.answer_gate.set()
    async with ready.worker_here(job_lease_s=10):
        job = await ready.finished(job_id)
    assert job.state == "succeeded", job.problem
    assert isinstance(job.result, TrainResult)
    assert [version.id for version, _ in ready.peers.versions] == [job.result.model_version_id]
    assert list(ready.peers.registered) == [str(job_id)]
    assert ready.peers.n_row_requests == 1


async def test_a_peer_that_is_away_delays_a_job_and_is_no_crash(ready: Any) -> None:
    job_id = await ready.submit(TRAIN, dataset_id="points")
    ready.peers.away = True
    async with ready.worker_here():
        waiting = await ready.until(job_id, lambda job: job.stage == "waiting for a service")
        assert waiting.state == "queued"
        ready.peers.away = False
        job = await ready.finished(job_id)
    assert job.state == "succeeded", job.problem


async def test_what_travels_with_the_request_travels_with_the_job(ready: Any) -> None:
    sent = {"x-request-id": "abc-1", "traceparent": f"00-{'1' * 32}-{'2' * 16}-01", "canary": "true"}
    answer = await ready.client.post(f"/api/v1/{TRAIN}", json={"dataset_id": "points"}, headers=sent)
    ready.peers.datasets.clear()  # the job fails at once
    async with ready.worker_here():
        job = await ready.finished(answer.json()["job_id"])
    (of_the_worker,) = (headers for headers in ready.peers.headers if headers["accept"] == ARROW_STREAM)
    assert {name: of_the_worker[name] for name in sent} == sent
    assert job.problem.instance == "abc-1"


async def test_an_idle_worker_tells_its_health_and_counts_its_jobs(ready: Any) -> None:
    async with ready.worker_here() as client:
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/health/ready")).json() == {"ready": True, "dependencies": {"database": True}}
        ready.peers.open_gate.clear()
        first = await ready.submit(TRAIN, dataset_id="points")
        await ready.peers.until(lambda peers: peers.n_row_requests == 1)
        await ready.client.post(f"/api/v1/jobs/{first}/cancel")
        await ready.submit(TRAIN, dataset_id="points")
        await ready.peers.until(lambda peers: peers.n_row_requests == 2)  # so the first is done with, and counted
        assert 'pynomaly_jobs_total{end="cancelled",kind="train"} 1.0' in (await client.get("/metrics")).text


async def _submit_long_training(ready: Any) -> Any:
    """Long enough to be interrupted, short enough to end if nobody does."""
    await ready.peers.add_dataset("many", pa.table({"a": range(20_000)}))
    await ready.create_detector("slow", parameters={"n_estimators": 2000})
    return await ready.submit("detectors/slow/train", dataset_id="many")
