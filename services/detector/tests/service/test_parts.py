"""A batch goes on where a killed try stopped, and no row is lost or doubled."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from detector_service.clients import DatasetClient, ModelClient
from detector_service.repository import Lease, Repository
from detector_service.worker.part_keeping import keeping_parts
from detector_service.worker.sandbox import PARTS, ChildCrashed, Sandbox, part_name
from detector_service.worker.stash import Stash
from detector_service.worker.tasks import DetectBatchTask
from obstore.store import LocalStore
from pynomaly_chassis.bucket import Bucket, StorageUnavailable
from pynomaly_chassis.ids import new_id
from pynomaly_contracts.jobs import DetectBatchResult
from pynomaly_resilience import ResilientSession

N_ROWS, PART_ROWS = 1000, 150


class BreakingOff(DatasetClient):
    """Downloads that may end early, unnoticed."""

    share = 1.0

    async def download_rows(self, dataset_id: UUID, version: str, to: Path) -> None:
        await super().download_rows(dataset_id, version, to)
        await asyncio.to_thread(_shorten, to, self.share)


def _shorten(file: Path, share: float) -> None:
    os.truncate(file, int(file.stat().st_size * share))


class Forgetful(Stash):
    """Storage that is away for the next so many writes."""

    n_failures = 0

    def __init__(self, bucket: Bucket) -> None:
        super().__init__(bucket)
        self.kept: asyncio.Queue[str] = asyncio.Queue()
        self.failed = asyncio.Event()

    async def keep_part(self, lease: Lease, name: str, content: bytes) -> None:
        if self.n_failures:
            self.n_failures -= 1
            self.failed.set()
            raise StorageUnavailable("away", retry_after_s=1)
        await super().keep_part(lease, name, content)
        self.kept.put_nowait(name)


class Batch:
    """A batch of 1,000 rows in parts of 150, and tries at it."""

    def __init__(self, service: Any, repository: Repository, session: ResilientSession, folder: Path) -> None:
        self.service, self.repository, self.folder = service, repository, folder
        self.stash = Forgetful(Bucket(LocalStore(folder / "stash", mkdir=True)))
        url, trusted = service.environment["DATASET_SERVICE_URL"], Path(service.environment["TRUSTED_KEYS_PATH"])
        self.datasets, models = BreakingOff(session, url), ModelClient(session, url)
        self.task = DetectBatchTask(self.datasets, models, Sandbox(4096), trusted, self.stash, part_rows=PART_ROWS)
        self.n_tries = 0

    async def lease(self) -> Lease:
        """The right to score the data set, as a worker gets it."""
        await self.service.submit("detect/batch", dataset_id="points", model_id="forest")
        async with self.repository.transaction() as tx:
            lease = await tx.queue.claim(600)
        assert lease is not None
        return lease

    async def run(self, lease: Lease, report: Callable[[str, float], None]) -> DetectBatchResult:
        self.n_tries += 1
        folder = self.folder / f"try-{self.n_tries}"
        folder.mkdir()
        return await self.task.run(lease, folder, report)

    async def break_off(self, lease: Lease, share: float) -> None:
        """A try whose child dies over rows of which only this share is there."""
        self.datasets.share = share
        with pytest.raises(ChildCrashed):
            await self.run(lease, ignore)
        self.datasets.share = 1.0

    def scored(self, result: DetectBatchResult) -> pa.Table:
        table: pa.Table = self.service.peers.datasets[str(result.dataset_id)][1]
        return table

    def parts(self) -> dict[str, int]:
        """Name and time of writing, ns, of what the stash holds."""
        found = (self.folder / "stash").glob("*/scored/*/*")
        return {path.name: path.stat().st_mtime_ns for path in found}


@pytest.fixture
async def batch(service: Any, repository: Repository, make_rows: Any, tmp_path: Path) -> AsyncIterator[Batch]:
    await service.peers.add_dataset("points", make_rows(N_ROWS))
    await service.create_detector()
    job_id = await service.submit("detectors/forest/train", dataset_id="points")
    async with service.worker_here():
        assert (await service.finished(job_id)).state == "succeeded"
    async with ResilientSession() as session:
        yield Batch(service, repository, session, tmp_path)


def ignore(stage: str, progress: float) -> None:
    """Nobody watches."""


@pytest.mark.parametrize(("share", "n_whole"), [(0.5, 1), (0.97, 4)], ids=["half", "nearly-all"])
async def test_a_batch_goes_on_after_the_last_whole_part_of_the_child_that_died(
    share: float, n_whole: int, batch: Batch
) -> None:
    undisturbed = batch.scored(await batch.run(await batch.lease(), ignore))
    assert batch.parts() == {}
    lease = await batch.lease()
    await batch.break_off(lease, share)
    kept = batch.parts()
    assert n_whole <= len(kept) < N_ROWS // PART_ROWS
    kept_later: list[dict[str, int]] = []

    def watch(stage: str, progress: float) -> None:
        if stage == "storing":
            kept_later.append(batch.parts())

    result = await batch.run(replace(lease, attempt=2), watch)
    assert batch.scored(result).equals(undisturbed)
    assert result.n_rows == N_ROWS
    assert len(kept_later[0]) == N_ROWS // PART_ROWS
    assert {name: kept_later[0][name] for name in kept} == kept
    assert batch.parts() == {}


async def test_a_storage_that_is_away_for_a_moment_costs_no_later_part(batch: Batch, tmp_path: Path) -> None:
    lease = await batch.lease()
    batch.stash.n_failures = 1
    async with asyncio.timeout(60), keeping_parts(batch.stash, lease, tmp_path, ignore, PART_ROWS) as told:
        for number in range(2):
            (tmp_path / PARTS / part_name(number, PART_ROWS)).write_bytes(b"scores")
            told("scoring", 0.5)
            await batch.stash.failed.wait()
        kept = [await batch.stash.kept.get() for _ in range(2)]
    assert kept == [part_name(number, PART_ROWS) for number in range(2)]


async def test_no_batch_fails_for_parts_that_cannot_be_kept(batch: Batch) -> None:
    undisturbed = batch.scored(await batch.run(await batch.lease(), ignore))
    batch.stash.n_failures = N_ROWS
    assert batch.scored(await batch.run(await batch.lease(), ignore)).equals(undisturbed)


async def test_no_batch_fails_for_parts_that_cannot_be_dropped(batch: Batch) -> None:
    lease = await batch.lease()

    def block(stage: str, progress: float) -> None:
        if stage == "storing":
            for part in (batch.folder / "stash").glob("*/scored/*/*"):
                part.unlink()
                part.mkdir()

    assert (await batch.run(lease, block)).n_rows == N_ROWS


async def test_kept_scores_are_taken_as_they_are(batch: Batch) -> None:
    lease = await batch.lease()
    await batch.break_off(lease, 0.9)
    (first,) = (batch.folder / "stash").glob("*/scored/*/000000-150")
    marked = pq.read_table(first).set_column(0, "raw_score", pa.array(np.full(PART_ROWS, 77.0)))
    pq.write_table(marked, first)
    scored = batch.scored(await batch.run(lease, ignore))["raw_score"].to_numpy()
    assert (scored[:PART_ROWS] == 77).all()
    assert not (scored[PART_ROWS:] == 77).any()


async def test_a_batch_of_a_worker_killed_before_its_results_were_acknowledged_is_one_data_set(batch: Batch) -> None:
    undisturbed = batch.scored(await batch.run(await batch.lease(), ignore))
    service = batch.service
    n_uploaded = len(service.peers.uploaded)
    job_id: UUID = await service.submit("detect/batch", dataset_id="points", model_id="forest")
    service.peers.answer_gate.clear()
    async with service.worker(detect_part_rows=100, job_lease_s=1) as worker:
        await service.peers.until(lambda peers: len(peers.uploaded) == n_uploaded + 1)
        worker.send(signal.SIGKILL)
        await worker.ended()
    service.peers.answer_gate.set()
    async with service.worker_here(detect_part_rows=100):
        job = await service.finished(job_id)
    assert isinstance(job.result, DetectBatchResult), job.problem
    assert batch.scored(job.result).equals(undisturbed)
    assert len(service.peers.uploaded) == n_uploaded + 1


async def test_the_sweep_takes_parts_of_ended_jobs_and_leaves_those_of_others(batch: Batch) -> None:
    lease = await batch.lease()
    ended = replace(lease, job_id=new_id())
    for each in (lease, ended):
        await batch.stash.keep_part(each, "000000-150", b"scores")
    for path in (batch.folder / "stash").glob("*/scored/*/*"):
        os.utime(path, (1e9, 1e9))
    await batch.stash.sweep(batch.repository)
    assert await batch.stash.find_part(lease, "000000-150") == b"scores"
    assert await batch.stash.find_part(ended, "000000-150") is None
