"""One try at one job: how it ends when the database, the disk or its owner fails it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest
from detector_service.repository import Lease, Repository, Transaction
from detector_service.worker.attempt import DetectorAttempt
from detector_service.worker.sandbox import Report
from pydantic import BaseModel
from pynomaly_chassis.database import Database, DatabaseUnavailable
from pynomaly_chassis.jobs import Notifications, Terms
from pynomaly_contracts.jobs import ConfusionMatrix, EvaluateResult, Job

LEASE_S = 0.6
RESULT = EvaluateResult(
    model_id=UUID(int=1),
    model_version="1",
    roc_auc=1,
    average_precision=1,
    precision_at_n=1,
    f1=1,
    threshold=0,
    confusion=ConfusionMatrix(true_positives=1, false_positives=0, true_negatives=1, false_negatives=0),
    n_rows=2,
    n_anomalies=1,
)


class UnsteadyRepository(Repository):
    """A repository with something to live through `before` each transaction."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.before: Callable[[], Awaitable[object]] = steady

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        await self.before()
        async with super().transaction() as tx:
            yield tx


async def steady() -> None:
    """Nothing happens."""


def away(n_times: int) -> Callable[[], Awaitable[None]]:
    """A database that refuses so many transactions, and is back then."""
    left = iter(range(n_times))

    async def before() -> None:
        if next(left, None) is not None:
            raise DatabaseUnavailable("away", retry_after_s=1)

    return before


class Waiting:
    """A task that waits until it is let go, and tells how it ended."""

    def __init__(self) -> None:
        self.begun, self.free, self.stopped = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.folder = Path()

    async def run(self, lease: Lease, folder: Path, report: Report) -> BaseModel:
        self.folder = folder
        report(f"waiting with {lease.kind}", 0.5)
        self.begun.set()
        try:
            await self.free.wait()
        except asyncio.CancelledError:
            self.stopped.set()
            raise
        return RESULT


class Bench:
    """A leased job, and what may happen to it."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.repository = UnsteadyRepository(database)
        work = Notifications("", "unheard", application_name="test")
        self.terms = Terms(self.repository, work, asyncio.Event(), LEASE_S, folder)
        self.task = Waiting()

    async def attempt(self, *, claim_took_s: float = 0.0) -> DetectorAttempt:
        async with self.repository.transaction() as tx:
            self.job_id = await tx.jobs.enqueue("default", "evaluate", {}, headers={})
            lease = await tx.queue.claim(LEASE_S)
        assert lease is not None
        return DetectorAttempt(self.terms, lease, self.task, claimed_s=time.monotonic() - claim_took_s)

    async def job(self) -> Job:
        async with self.repository.transaction() as tx:
            return await tx.jobs.get("default", self.job_id)


@pytest.fixture
async def bench(database: Database, tmp_path: Path) -> Bench:
    return Bench(database, tmp_path)


async def test_work_stops_when_its_lease_ends_although_renewing_it_hangs(bench: Bench) -> None:
    back = asyncio.Event()
    running = asyncio.create_task((await bench.attempt()).run())
    await bench.task.begun.wait()
    bench.repository.before = back.wait  # a database that does not even refuse
    async with asyncio.timeout(10):
        await bench.task.stopped.wait()
    back.set()
    assert await running == "handed_back"
    assert (await bench.job()).state == "queued"


async def test_a_lease_is_counted_from_before_its_claim_so_that_nobody_else_begins_sooner(bench: Bench) -> None:
    attempt = await bench.attempt(claim_took_s=LEASE_S)
    async with asyncio.timeout(10):
        assert await attempt.run() == "handed_back"


async def test_a_result_waits_for_a_database_that_is_away_longer_than_a_lease(bench: Bench) -> None:
    running = asyncio.create_task((await bench.attempt()).run())
    await bench.task.begun.wait()
    bench.task.free.set()
    bench.repository.before = away(8)
    assert await running == "succeeded"
    assert (await bench.job()).state == "succeeded"


async def test_a_try_that_finds_no_folder_to_work_in_is_a_crash_that_says_so(bench: Bench) -> None:
    attempt = await bench.attempt()
    bench.terms.folder.rmdir()
    assert await attempt.run() == "crashed"
    assert (await bench.job()).stage == "queued after a crash"


async def test_a_try_that_is_itself_cancelled_takes_its_work_along(bench: Bench) -> None:
    running = asyncio.create_task((await bench.attempt()).run())
    await bench.task.begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bench.task.stopped.is_set()
    assert not bench.task.folder.exists()
