"""Every SQL statement of the service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pynomaly_chassis.database import Database
from sqlalchemy.ext.asyncio import AsyncConnection

from detector_service.repository.detectors import DetectorRows
from detector_service.repository.jobs import JobRows
from detector_service.repository.queue import JobQueue, Lease, Standing

__all__ = ["JobQueue", "Lease", "Repository", "Standing", "Transaction"]


class Transaction:
    """One transaction, with its statements by noun."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.detectors = DetectorRows(connection)
        self.jobs = JobRows(connection)
        self.queue = JobQueue(connection)


class Repository:
    """The way to the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Committed at the end of the block, rolled back on any exception. Raises DatabaseUnavailable."""
        async with self._database.transaction() as connection:
            yield Transaction(connection)
