"""Bytes that nothing needs: of deleted models and versions, and of registrations that died before their row."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import obstore
from pynomaly_chassis.bucket import Bucket
from pynomaly_chassis.ids import utc_now
from pynomaly_chassis.storage import remove_unfinished

from model_service.repository import ModelRepository

KEPT = timedelta(hours=24)
PAGE = 1000


class Sweep:
    """Run hourly. Bytes go before the row that names them, so that dying midway only means doing it again."""

    def __init__(self, repository: ModelRepository, bucket: Bucket, *, kept: timedelta = KEPT) -> None:
        self._repository, self._bucket, self._kept = repository, bucket, kept

    async def run(self) -> None:
        """Collect everything that is due."""
        await self._collect_deleted()
        before = utc_now() - self._kept
        await self._collect_orphans(before)
        await remove_unfinished(self._bucket.store, "models", before)

    async def _collect_deleted(self) -> None:
        async with self._repository.transaction() as tx:
            keys = await tx.expired.keys(self._kept)
        await self._delete(keys)
        async with self._repository.transaction() as tx:
            await tx.expired.forget(self._kept, keys)

    async def _collect_orphans(self, before: datetime) -> None:
        async for page in obstore.list(self._bucket.store, chunk_size=PAGE):
            old = [item["path"] for item in page if item["last_modified"] < before]
            ours = [key for key in old if key.split("/")[1:2] == ["models"]]
            async with self._repository.transaction() as tx:
                known = await tx.expired.known(ours)
            await self._delete(key for key in ours if key not in known)

    async def _delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            await self._bucket.delete(key)
