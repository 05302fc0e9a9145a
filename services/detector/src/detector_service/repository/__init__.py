"""Every SQL statement of the service."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeVar

from pynomaly_chassis.database import Database
from pynomaly_chassis.jobs import JobQueue, Lease, Standing
from pynomaly_contracts.health import WorkerStatus
from sqlalchemy.ext.asyncio import AsyncConnection

from detector_service.repository.detectors import DetectorRows
from detector_service.repository.evaluations import EvaluationRows
from detector_service.repository.jobs import DetectorJobs
from detector_service.tables import job_store

__all__ = ["JobQueue", "Lease", "Repository", "Standing", "Transaction"]

Result = TypeVar("Result")


class Transaction:
    """One transaction, with its statements by noun."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.detectors = DetectorRows(connection)
        self.evaluations = EvaluationRows(connection)
        self.jobs = DetectorJobs(connection)
        self.queue = JobQueue(connection, job_store)


class Repository:
    """The way to the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Committed at the end of the block, rolled back on any exception. Raises DatabaseUnavailable."""
        async with self._database.transaction() as connection:
            yield Transaction(connection)

    async def run(self, work: Callable[[Transaction], Awaitable[Result]]) -> Result:
        """`work(tx)` in a transaction, all of it again where PostgreSQL took it back. Raises DatabaseUnavailable."""
        return await self._database.run(lambda connection: work(Transaction(connection)))

    async def workers(self) -> list[WorkerStatus]:
        """Who works on the jobs. Raises DatabaseUnavailable."""
        async with self.transaction() as tx:
            return list(await tx.queue.workers.all())

    async def forget_jobs(self, kept: timedelta) -> None:
        """Delete the jobs that ended longer ago, in transactions of some. Raises DatabaseUnavailable."""
        while await self.run(lambda tx: tx.jobs.forget_ended(kept)):
            pass
