"""The detector service is killed at fifty instants of its writes: each detector is kept, and each job is there once."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from killing.sweep import wire_to
from pynomaly import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from killing.wire import Answer, Wire
    from pynomaly_suite import Suite

    from tests.faults.conftest import Killed

DATA = Path(__file__).parents[2] / "examples" / "data"
PATH, JOBS = "/api/v1/detectors", "/api/v1/jobs"
KINDS = {"create": 0.05, "update": 0.05, "train": 0.1, "cancel": 0.05, "delete": 0.05}


@dataclass
class Kept:
    """What a client was told of one detector."""

    seed: int
    job_id: str = ""
    cancelled: bool = False
    deleted: bool = False


class Clients:
    """Their detectors by name, as they were acknowledged."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}

    async def live(self, wire: Wire, number: int) -> None:
        """The life of one detector: a change, a training that most cancel, its end."""
        name = f"detector-{number}"
        created = await wire.send("create", "POST", PATH, key=name, json={"name": name, "algorithm": "HBOS"})
        assert created.status == 201, created
        kept = self.kept[name] = Kept(seed=number)
        _check(await wire.send("update", "PATCH", f"{PATH}/{name}", json={"seed": number}), 200)
        trained = await wire.send("train", "POST", f"{PATH}/{name}/train", key=name, json={"dataset_id": "vowels"})
        kept.job_id = _check(trained, 202).json()["job_id"]
        if number % 20:
            _check(await wire.send("cancel", "POST", f"{JOBS}/{kept.job_id}/cancel"), 200)
            kept.cancelled = True
        if number % 3 == 2:
            answer = await wire.send("delete", "DELETE", f"{PATH}/{name}")
            _check(answer, 404 if answer.n_sent > 1 and answer.status == 404 else 204)
            kept.deleted = True


def _check(answer: Answer, status: int) -> Answer:
    assert answer.status == status, answer
    return answer


@pytest.fixture
def stopped_worker(durable_suite: Suite) -> Iterator[int]:
    """With a data set to train on, and a worker that begins nothing before it is sent SIGCONT; its process id."""
    with Client(durable_suite.url) as client:
        client.datasets.upload(DATA / "vowels.csv", name="vowels", target_column="is_anomaly")
    pid = durable_suite.pid_of("detector-worker")
    os.kill(pid, signal.SIGSTOP)
    yield pid
    os.kill(pid, signal.SIGCONT)


@pytest.mark.timeout(600)
async def test_every_acknowledged_detector_and_job_outlives_fifty_kills(killed: Killed, stopped_worker: int) -> None:
    clients = Clients()
    sweep = killed("detector", KINDS)
    async with wire_to(sweep.suite.ports.url("detector")) as wire:
        assert await sweep.run(wire, clients.live) == len(clients.kept)
        os.kill(stopped_worker, signal.SIGCONT)
        await asyncio.gather(*(_check_job(wire, kept) for kept in clients.kept.values()))
        await asyncio.gather(*(_check_detector(wire, name, kept) for name, kept in clients.kept.items()))
        listed = await wire.every(JOBS)
        assert sorted(job["id"] for job in listed) == sorted(kept.job_id for kept in clients.kept.values())
        names = [detector["name"] for detector in await wire.every(PATH)]
        assert sorted(names) == sorted(name for name, kept in clients.kept.items() if not kept.deleted)


async def _check_job(wire: Wire, kept: Kept) -> None:
    job = await wire.ended(kept.job_id)
    assert job["state"] == ("cancelled" if kept.cancelled else "succeeded"), job


async def _check_detector(wire: Wire, name: str, kept: Kept) -> None:
    answer = await wire.send("get", "GET", f"{PATH}/{name}")
    assert answer.status == (404 if kept.deleted else 200), answer
    if not kept.deleted:
        found = answer.json()
        assert (found["seed"], found["state"]) == (kept.seed, "untrained" if kept.cancelled else "trained")
