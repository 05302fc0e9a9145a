"""Takes away the bytes that no data set has any more."""

from datetime import datetime, timedelta

import structlog

from dataset_service.objects import ObjectFiles
from dataset_service.repository import DatasetRepository

log = structlog.get_logger()

# Longer than any request or job that may still read or be about to commit.
GRACE = timedelta(hours=24)
BATCH = 500


class Collector:
    """Safe to run in several replicas at once: each step may be done twice."""

    def __init__(self, repository: DatasetRepository, objects: ObjectFiles) -> None:
        self._repository, self._objects = repository, objects

    async def sweep(self, now: datetime) -> None:
        """Collect what was deleted, or left without a row, a day before `now`."""
        n_deleted = await self._collect_deleted(now - GRACE)
        n_orphans = await self._collect_orphans(now - GRACE)
        await self._objects.remove_unfinished(now - GRACE)
        if n_deleted or n_orphans:
            log.info("objects.collected", n_deleted=n_deleted, n_orphans=n_orphans)

    async def _collect_deleted(self, moment: datetime) -> int:
        """Bytes first: a tombstone without bytes is forgotten by the next sweep, bytes without one only found."""
        async with self._repository.transaction() as tx:
            found = await tx.deleted_before(moment, BATCH)
        for keys in found.values():
            for key in keys:
                await self._objects.delete(key)
        async with self._repository.transaction() as tx:
            await tx.forget(list(found))
        return len(found)

    async def _collect_orphans(self, moment: datetime) -> int:
        n_orphans = 0
        async for found in self._objects.older_than(moment):
            async with self._repository.transaction() as tx:
                known = await tx.known(found)
            orphans = [key for key in found if key not in known]
            for key in orphans:
                await self._objects.delete(key)
            n_orphans += len(orphans)
        return n_orphans
