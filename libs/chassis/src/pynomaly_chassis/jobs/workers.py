"""Who works: each worker tells it while it lives."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from pynomaly_contracts.health import WorkerStatus
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from pynomaly_chassis.jobs.tables import JobTables

BEAT_S = 5.0
LOST = timedelta(seconds=30)
"""A worker that was not heard of for so long is taken for dead."""
FORGOTTEN = timedelta(hours=1)
_NOW = sa.func.clock_timestamp()


@dataclass(frozen=True)
class Presence:
    """A worker. lanes: how many jobs it works on at a time; busy: on how many it does."""

    id: UUID
    name: str
    lanes: int
    busy: int


class WorkerRows:
    """Workers of one queue."""

    def __init__(self, connection: AsyncConnection, tables: JobTables) -> None:
        self._connection, self._workers = connection, tables.workers

    async def beat(self, worker: Presence) -> None:
        """It lives; those of long ago are forgotten."""
        workers = self._workers
        known = {"name": worker.name, "lanes": worker.lanes, "busy": worker.busy, "seen_at": _NOW}
        insert = postgresql.insert(workers).values(id=worker.id, started_at=_NOW, **known)
        await self._connection.execute(insert.on_conflict_do_update(index_elements=["id"], set_=known))
        await self._connection.execute(sa.delete(workers).where(workers.c.seen_at < _NOW - FORGOTTEN))

    async def leave(self, worker_id: UUID) -> None:
        """It ends."""
        await self._connection.execute(sa.delete(self._workers).where(self._workers.c.id == worker_id))

    async def all(self) -> Sequence[WorkerStatus]:
        """Those that live and those that were lost within the hour, the oldest first."""
        workers = self._workers
        silent = sa.func.extract("epoch", _NOW - workers.c.seen_at).cast(sa.Double)
        alive = (workers.c.seen_at > _NOW - LOST).label("alive")
        found = sa.select(workers, silent.label("silent_s"), alive).order_by(workers.c.started_at, workers.c.id)
        rows = (await self._connection.execute(found)).mappings()
        return [WorkerStatus.model_validate({**row, "silent_s": round(max(0.0, row["silent_s"]), 1)}) for row in rows]
