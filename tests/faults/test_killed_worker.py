"""The worker is killed at fifty instants of its jobs: each ends, each model is made once, and nothing is left."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from killing.sweep import Sweep, wire_to
from killing.wire import Wire
from pynomaly import Client

if TYPE_CHECKING:
    from tests.faults.conftest import Killed

DATA = Path(__file__).parents[2] / "examples" / "data"
KINDS = {"train": 1.5, "detect": 1.5}
N_ROWS = 1456


class Clients:
    """What became of their jobs."""

    def __init__(self, wires: dict[str, Wire]) -> None:
        self._wires = wires
        self.trained: dict[str, dict[str, Any]] = {}
        self.detected: dict[str, dict[str, Any]] = {}

    async def live(self, wire: Wire, number: int) -> None:
        """A detector, its training, and a data set that its model scores."""
        name = f"worked-{number}"
        await wire.send("create", "POST", "/api/v1/detectors", key=name, json={"name": name, "algorithm": "HBOS"})
        body = {"dataset_id": "vowels"}
        job = await self._job(wire, "train", f"/api/v1/detectors/{name}/train", name, body)
        self.trained[name] = job
        if job["state"] == "succeeded":
            body = {"dataset_id": "vowels", "model_id": name, "name": f"{name}-scored"}
            self.detected[name] = await self._job(wire, "detect", "/api/v1/detect/batch", name, body)

    async def _job(self, wire: Wire, kind: str, path: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = await wire.send(kind, "POST", path, key=key, json=body)
        assert answer.status == 202, answer
        return await wire.ended(answer.json()["job_id"])

    async def check(self) -> None:
        """Each model once, with its bytes; each scored data set once; failed only what was killed three times."""
        ended = list(self.trained.values()) + list(self.detected.values())
        for job in ended:
            if job["state"] != "succeeded":
                assert (job["problem"]["type"], job["attempts"]) == ("/problems/job-quarantined", 3), job
        assert any(job["state"] == "succeeded" for job in self.detected.values())
        await asyncio.gather(*(self._check_model(name, job) for name, job in self.trained.items()))
        scored = {name: job for name, job in self.detected.items() if job["state"] == "succeeded"}
        await asyncio.gather(*(self._check_scored(name, job) for name, job in scored.items()))

    async def _check_model(self, name: str, job: dict[str, Any]) -> None:
        wire = self._wires["model"]
        answer = await wire.send("get", "GET", f"/api/v1/models/{name}/versions")
        versions = answer.json()["items"] if answer.status == 200 else []
        if job["state"] == "succeeded":
            assert [each["version"] for each in versions] == ["1"]
        for each in versions:
            got = await wire.send("get", "GET", f"/api/v1/models/{name}/versions/1/artefact")
            assert hashlib.sha256(got.body).hexdigest() == each["digest"]

    async def _check_scored(self, name: str, job: dict[str, Any]) -> None:
        wire = self._wires["dataset"]
        found = (await wire.send("get", "GET", f"/api/v1/datasets/{name}-scored")).json()
        assert (found["id"], found["n_rows"]) == (job["result"]["dataset_id"], N_ROWS)
        rows = await wire.send("get", "GET", f"/api/v1/datasets/{name}-scored/rows", headers={"accept": "text/csv"})
        assert len(rows.body.splitlines()) == N_ROWS + 1


@pytest.mark.timeout(900)
async def test_every_job_ends_once_whenever_its_worker_is_killed(killed: Killed) -> None:
    sweep = killed("detector-worker", KINDS)
    ports = sweep.suite.ports
    with Client(sweep.suite.url) as client:
        client.datasets.upload(DATA / "vowels.csv", name="vowels", target_column="is_anomaly")
    async with (
        wire_to(ports.url("detector")) as wire,
        wire_to(ports.url("model")) as models,
        wire_to(ports.url("dataset")) as datasets,
    ):
        clients = Clients({"model": models, "dataset": datasets})
        await sweep.run(wire, clients.live, n_clients=4, cuts=False)
        await clients.check()
    assert _left(sweep) == []


def _left(sweep: Sweep) -> list[str]:
    """Folders of jobs, and processes in them, that outlived their worker."""
    folder = Path(sweep.environment["JOB_FOLDER"])
    working = [each for each in psutil.process_iter(["cwd"]) if str(each.info["cwd"]).startswith(str(folder))]
    return [str(path) for path in folder.iterdir()] + [str(each) for each in working]
