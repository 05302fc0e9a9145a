"""Every SQL statement of the service."""

from datetime import timedelta

from pynomaly_chassis.database import Database, Transactions
from pynomaly_chassis.jobs import JobQueue, Lease, Standing
from pynomaly_contracts.health import WorkerStatus
from sqlalchemy.ext.asyncio import AsyncConnection

from detector_service.repository.detectors import DetectorRows
from detector_service.repository.evaluations import EvaluationRows
from detector_service.repository.jobs import DetectorJobs
from detector_service.tables import job_store

__all__ = ["JobQueue", "Lease", "Repository", "Standing", "Transaction"]


class Transaction:
    """One transaction, with its statements by noun."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.detectors = DetectorRows(connection)
        self.evaluations = EvaluationRows(connection)
        self.jobs = DetectorJobs(connection)
        self.queue = JobQueue(connection, job_store)


class Repository(Transactions[Transaction]):
    """The way to the database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, Transaction)

    async def workers(self) -> list[WorkerStatus]:
        """Who works on the jobs. Raises DatabaseUnavailable."""
        async with self.transaction() as tx:
            return list(await tx.queue.workers.all())

    async def forget(self, kept: timedelta) -> None:
        """Delete the jobs that ended longer ago, and evaluations of detectors that were deleted, in transactions of
        some. Raises DatabaseUnavailable."""
        while await self.run(lambda tx: tx.jobs.forget_ended(kept)):
            pass
        while await self.run(lambda tx: tx.evaluations.forget_unreachable()):
            pass
