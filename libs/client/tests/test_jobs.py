"""Waiting for jobs."""

import asyncio
import json
import os
import signal
import threading
from datetime import UTC, datetime

import pytest
from pynomaly import AsyncClient, Client, errors
from pynomaly_contracts.jobs import TrainResult

ID = "01890000-0000-7000-8000-000000000001"
JOB = f"/api/v1/jobs/{ID}"
TRAIN = "/api/v1/detectors/thyroid/train"


@pytest.fixture
def accepted(peer, says):
    peer.says("POST", TRAIN, says({"job_id": ID}, 202))
    return peer


def test_wait_returns_the_result_once_the_job_has_succeeded(accepted, bodies, says) -> None:
    accepted.says("GET", JOB, says(bodies["job"]("queued")), says(bodies["job"]("running")), says(bodies["job"]()))
    with Client(accepted.url) as client:
        result = client.detectors.train("thyroid", "rows").wait(progress=False)
    assert isinstance(result, TrainResult)
    assert accepted.paths() == [f"POST {TRAIN}", *[f"GET {JOB}"] * 3]


async def test_awaiting_it_is_the_same(accepted, bodies, says) -> None:
    accepted.says("GET", JOB, says(bodies["job"]("running")), says(bodies["job"]()))
    async with AsyncClient(accepted.url) as client:
        job = await client.detectors.train("thyroid", "rows")
        assert (await job.wait()).model_name == "thyroid"


def test_a_progress_bar_shows_kind_and_stage(accepted, bodies, says, capsys) -> None:
    accepted.says("GET", JOB, says(bodies["job"]("running")), says(bodies["job"](stage="registered")))
    with Client(accepted.url) as client:
        client.detectors.train("thyroid", "rows").wait(progress=True)
    shown = capsys.readouterr()
    assert "train: registered" in shown.err
    assert "100%" in shown.err
    assert shown.out == ""


def test_a_failed_job_raises_its_problem(accepted, bodies, says) -> None:
    problem = {"type": "/problems/missing", "title": "Missing value", "status": 422, "detail": "row 3 of 'tsh'"}
    accepted.says("GET", JOB, says(bodies["job"]("failed", problem=problem)))
    with Client(accepted.url) as client, pytest.raises(errors.JobFailed, match="row 3 of 'tsh'") as failed:
        client.detectors.train("thyroid", "rows").wait()
    assert failed.value.problem is not None
    assert failed.value.problem.status == 422


def test_a_cancelled_job_raises_that_it_was(accepted, bodies, says) -> None:
    accepted.says("GET", JOB, says(bodies["job"]("cancelled")))
    with Client(accepted.url) as client, pytest.raises(errors.JobCancelled, match="fitting"):
        client.detectors.train("thyroid", "rows").wait()


def test_wait_ends_after_timeout_s_and_the_job_goes_on(accepted, bodies, says) -> None:
    accepted.says("GET", JOB, says(bodies["job"]("running")))
    with Client(accepted.url) as client, pytest.raises(errors.StillRunning, match="goes on") as waited:
        client.detectors.train("thyroid", "rows").wait(timeout_s=0.1)
    assert waited.value.job.state == "running"
    assert f"POST {JOB}/cancel" not in accepted.paths()


def test_ctrl_c_stops_the_waiting_and_names_the_job_that_goes_on(accepted, bodies, says) -> None:
    def interrupting(_asked):
        threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()
        return says(bodies["job"]("running"))

    accepted.says("GET", JOB, interrupting, says(bodies["job"]("running")))
    with Client(accepted.url) as client, pytest.raises(KeyboardInterrupt) as stopped:
        client.detectors.train("thyroid", "rows").wait(timeout_s=30)
    assert f"pynomaly jobs wait {ID}" in stopped.value.__notes__[0]
    assert f"POST {JOB}/cancel" not in accepted.paths()


async def test_cancelling_the_waiting_task_leaves_the_job(accepted, bodies, says) -> None:
    accepted.says("GET", JOB, says(bodies["job"]("running")))
    async with AsyncClient(accepted.url) as client:
        job = await client.detectors.train("thyroid", "rows")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(job.wait(), 0.1)
    assert f"POST {JOB}/cancel" not in accepted.paths()


def test_cancel_asks_the_job_to_stop(accepted, bodies, says) -> None:
    accepted.says("POST", f"{JOB}/cancel", says(bodies["job"]("running")))
    with Client(accepted.url) as client:
        assert client.detectors.train("thyroid", "rows").cancel().state == "running"


def test_events_yield_the_job_each_time_it_moves_until_the_end(peer, bodies, says) -> None:
    moves = [says(bodies["job"](state)).content() for state in ("running", "succeeded")]
    frames = [b"event: progress\r\ndata: " + move + b"\r\n\r\n" for move in moves]
    stream = b": hello\n\n" + b"".join(frames) + b"event: end\ndata: {}\n\nevent: progress\ndata: never read\n\n"
    peer.says("GET", f"{JOB}/events", says(stream, headers={"content-type": "text/event-stream"}))
    with Client(peer.url) as client:
        assert [job.state for job in client.jobs.events(ID)] == ["running", "succeeded"]


def test_jobs_are_listed_by_state_and_kind(peer, bodies, says) -> None:
    peer.says("GET", "/api/v1/jobs", says({"items": [bodies["job"]()]}))
    with Client(peer.url) as client:
        assert [job.kind for job in client.jobs.list(state="succeeded", kind="train")] == ["train"]
    assert peer.asked[0].query == {"limit": ["100"], "state": ["succeeded"], "kind": ["train"]}


def test_jobs_are_listed_by_detector_and_moment(peer, says) -> None:
    peer.says("GET", "/api/v1/jobs", says({"items": []}))
    moment = datetime(2026, 5, 17, 12, tzinfo=UTC)
    with Client(peer.url) as client:
        assert list(client.jobs.list(detector="thyroid", created_after=moment)) == []
    (asked,) = peer.asked
    assert asked.query["detector"] == ["thyroid"]
    assert datetime.fromisoformat(asked.query["created_after"][0]) == moment
    assert "created_before" not in asked.query


def test_retry_gives_a_handle_to_the_new_job_under_a_key(peer, bodies, says) -> None:
    again = ID.replace("1", "2")
    peer.says("POST", f"{JOB}/retry", says({"job_id": again}, 202))
    peer.says("GET", f"/api/v1/jobs/{again}", says(bodies["job"]()))
    with Client(peer.url) as client:
        assert isinstance(client.jobs.retry(ID).wait(progress=False), TrainResult)
    assert peer.asked[0].headers["idempotency-key"]


async def test_the_same_goes_without_blocking(peer, bodies, says) -> None:
    peer.says("POST", f"{JOB}/retry", says({"job_id": ID}, 202))
    peer.says("GET", JOB, says(bodies["job"]()))
    peer.says("DELETE", JOB, says(b"", 204))
    counts = dict.fromkeys(("queued", "running", "succeeded", "failed", "cancelled"), 1)
    peer.says("GET", "/api/v1/jobs/summary", says({**counts, "max_queued": 1000}))
    async with AsyncClient(peer.url) as client:
        assert isinstance(await (await client.jobs.retry(ID)).wait(), TrainResult)
        assert (await client.jobs.summary()).max_queued == 1000
        await client.jobs.delete(ID)


def test_a_time_limit_is_sent_with_what_it_limits(accepted, bodies, says) -> None:
    with Client(accepted.url) as client:
        client.detectors.train("thyroid", "rows", time_limit_s=60)
    assert json.loads(accepted.asked[0].body) == {"dataset_id": "rows", "time_limit_s": 60}
