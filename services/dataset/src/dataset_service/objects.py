"""The tables' bytes in object storage: `<tenant>/datasets/<uuid>.parquet`; of later versions `<uuid>.next.parquet`."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import obstore
from obstore.exceptions import BaseError
from pynomaly_chassis.bucket import Bucket, StorageUnavailable
from pynomaly_chassis.ids import new_id
from pynomaly_chassis.storage import RemoteStore, move_durably, remove_unfinished, room_needed

from dataset_service.spool import Spool

_KIND = "datasets"
_KEY = re.compile(rf"[^/]+/{_KIND}/[0-9a-f-]{{36}}(\.next)?\.parquet")


def object_key(tenant_id: str, dataset_id: UUID) -> str:
    """Where a data set's bytes lie."""
    return f"{tenant_id}/{_KIND}/{dataset_id}.parquet"


def version_key(tenant_id: str) -> str:
    """A place for the bytes of a later version. Code that knows no versions does not take them for orphans."""
    return f"{tenant_id}/{_KIND}/{new_id()}.next.parquet"


class ObjectFiles:
    """Objects that are written from files and read as files."""

    def __init__(self, bucket: Bucket, spool: Spool, *, local_folder: Path | None) -> None:
        self._bucket, self._spool, self._local = bucket, spool, local_folder

    async def put(self, source: Path, key: str) -> None:
        """Store a file whole or not at all; it may be moved away. Raises StorageFull."""
        if self._local is None:
            await self._bucket.put_file(key, source)
            return
        with room_needed():
            await asyncio.to_thread(move_durably, source, self._local / key)

    @asynccontextmanager
    async def opened(self, key: str) -> AsyncIterator[Path]:
        """The object as a file for the block: its own on the local store, else a copy. Raises StorageFull."""
        if self._local is not None:
            yield self._local / key
            return
        with self._spool.file(".object") as path:
            await self._download(key, path)
            yield path

    async def _download(self, key: str, path: Path) -> None:
        chunks = self._bucket.chunks(await self._bucket.opened(key))
        with room_needed(), path.open("xb") as file:
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)

    async def link(self, key: str, expires_in: timedelta) -> str:
        """An address under which anybody may read the object until then. Of stores that can sign: no local folder."""
        store = self._bucket.store
        if not isinstance(store, RemoteStore):
            raise TypeError(f"{type(store).__name__} signs nothing")
        try:
            return await obstore.sign_async(store, "GET", key, expires_in)
        except BaseError as error:
            raise StorageUnavailable("object storage signs nothing now; try again", retry_after_s=5) from error

    async def delete(self, key: str) -> None:
        """Remove an object; one that is gone already is fine."""
        await self._bucket.delete(key)

    async def older_than(self, moment: datetime) -> AsyncIterator[list[str]]:
        """Keys of the objects last written before `moment`, some hundreds at a time."""
        async for found in obstore.list(self._bucket.store):
            old = [item["path"] for item in found if item["last_modified"] < moment]
            yield [key for key in old if _KEY.fullmatch(key)]

    async def remove_unfinished(self, moment: datetime) -> None:
        """Remove what was being stored when its process was killed, before `moment`."""
        await remove_unfinished(self._bucket.store, _KIND, moment)
