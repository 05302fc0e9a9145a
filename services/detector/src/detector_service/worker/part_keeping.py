"""Parts of a batch's scores on their way between a try's folder and the stash."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import structlog
from pynomaly_chassis.bucket import StorageUnavailable
from pynomaly_chassis.storage import StorageFull

from detector_service.repository import Lease
from detector_service.worker.sandbox import PARTS, ChildCrashed, Report, part_name
from detector_service.worker.stash import Stash

log = structlog.get_logger()


@asynccontextmanager
async def keeping_parts(
    stash: Stash, lease: Lease, folder: Path, report: Report, part_rows: int
) -> AsyncIterator[Report]:
    """Puts what earlier tries kept into the folder, and keeps each part that appears there when the report is told.

    Raises StorageUnavailable where what was kept cannot be fetched.
    """
    (folder / PARTS).mkdir()
    parts = _PartKeeper(stash, lease, folder / PARTS, part_rows)
    await parts.fetch()

    def told(stage: str, progress: float) -> None:
        parts.bell.set()
        report(stage, progress)

    keeper = asyncio.create_task(parts.keep_as_they_come())
    try:
        yield told
    except ChildCrashed:
        await parts.keep()  # those that it completed are whole, and the next try may have them
        raise
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
    await parts.keep()


class _PartKeeper:
    """Parts appear in order, and are kept in order."""

    def __init__(self, stash: Stash, lease: Lease, folder: Path, part_rows: int) -> None:
        self._part_rows = part_rows
        self._stash, self._lease, self._folder = stash, lease, folder
        self._n_kept = 0
        self._turn = asyncio.Lock()
        self.bell = asyncio.Event()

    async def fetch(self) -> None:
        while (content := await self._stash.find_part(self._lease, self._next.name)) is not None:
            await asyncio.to_thread(self._next.write_bytes, content)
            self._n_kept += 1

    async def keep_as_they_come(self) -> None:
        while True:
            await self.bell.wait()
            self.bell.clear()
            await self.keep()

    async def keep(self) -> None:
        """What cannot be kept is tried again with the next part: no batch fails for what only a later try may need."""
        try:
            async with self._turn:
                await self._keep()
        except (StorageUnavailable, StorageFull) as error:
            log.warning("part.not_kept", error=str(error))

    async def _keep(self) -> None:
        while (part := self._next).exists():
            await self._stash.keep_part(self._lease, part.name, await asyncio.to_thread(part.read_bytes))
            self._n_kept += 1

    @property
    def _next(self) -> Path:
        return self._folder / part_name(self._n_kept, self._part_rows)
