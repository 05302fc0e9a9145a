"""Statements on jobs, as their owners see them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pynomaly_contracts.problems import FieldProblem
from sqlalchemy.ext.asyncio import AsyncConnection

from pynomaly_chassis.ids import first_id_at, new_id
from pynomaly_chassis.jobs.claiming import has_state
from pynomaly_chassis.jobs.problems import JobFinished, JobNotFinished, JobNotFound, JobNotRetriable, JobQueueFull
from pynomaly_chassis.jobs.tables import JobTables

FINISHED = frozenset({"succeeded", "failed", "cancelled"})
RETRIABLE = frozenset({"failed", "cancelled"})
FULL_RETRY_S = 30.0
_SKEW = timedelta(days=1)
"""By how much the clock that made an id may differ from the database's."""
_LOCK_KEY = 7_406_003
_ONE_BY_ONE = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:tenant_id, :key))")


async def notify(connection: AsyncConnection, channel: str, payload: str = "") -> None:
    """Ring at commit."""
    await connection.execute(sa.select(sa.func.pg_notify(channel, payload)))


class JobRows:
    """Jobs of one tenant at a time."""

    def __init__(self, connection: AsyncConnection, tables: JobTables) -> None:
        self._connection, self._tables, self._jobs = connection, tables, tables.jobs

    async def enqueue(
        self,
        tenant_id: str,
        kind: str,
        spec: Mapping[str, Any],
        *,
        headers: Mapping[str, str],
        max_queued: int | None = None,
        **own: Any,
    ) -> UUID:
        """Store a job that a worker will begin once this transaction commits; its id.

        max_queued: how many jobs of the tenant may wait, this one among them. own: further columns of the row:
        time_limit_s, retry_of, and the service's own. Raises JobQueueFull.
        """
        if max_queued is not None:
            await self._check_room(tenant_id, max_queued)
        now, job_id = sa.func.now(), new_id()
        values = {"id": job_id, "tenant_id": tenant_id, "kind": kind, **own}
        beginning = {"state": "queued", "stage": "queued", "progress": 0.0, "attempts": 0, "excused": 0, "postponed": 0}
        times = {"run_after": now, "created_at": now, "updated_at": now}
        content = {"spec": dict(spec), "headers": dict(headers), "cancel_requested": False}
        await self._connection.execute(sa.insert(self._jobs).values({**values, **beginning, **times, **content}))
        await notify(self._connection, self._tables.work_channel)
        return job_id

    async def _check_room(self, tenant_id: str, max_queued: int) -> None:
        """One after the other, so that the limit is exact."""
        await self._connection.execute(_ONE_BY_ONE, {"key": _LOCK_KEY, "tenant_id": tenant_id})
        jobs = self._jobs
        waiting = sa.select(sa.func.count()).where(jobs.c.tenant_id == tenant_id, has_state(jobs, "queued"))
        n_queued = await self._connection.scalar(waiting)
        if n_queued is not None and n_queued >= max_queued:
            raise JobQueueFull(
                f"{n_queued} jobs wait already, and at most {max_queued} may (MAX_QUEUED_JOBS_PER_TENANT); ask again "
                "when some have begun, or cancel what is not needed",
                retry_after_s=FULL_RETRY_S,
                limit=max_queued,
                queued=n_queued,
            )

    async def page(
        self,
        tenant_id: str,
        *,
        limit: int,
        before: UUID | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        equal: Mapping[str, Any] | None = None,
    ) -> Sequence[sa.RowMapping]:
        """Up to `limit` jobs, newest first, older than the one of id `before`.

        created_after <= created_at < created_before; equal: by column, what must be equal; None leaves a filter out.
        """
        jobs = self._jobs.c
        wanted = [jobs.tenant_id == tenant_id]
        wanted += [jobs[name] == value for name, value in (equal or {}).items() if value is not None]
        if before is not None:
            wanted.append(jobs.id < before)
        if created_after is not None:
            wanted += [jobs.created_at >= created_after, jobs.id >= first_id_at(created_after - _SKEW)]
        if created_before is not None:
            wanted += [jobs.created_at < created_before, jobs.id < first_id_at(created_before + _SKEW)]
        statement = sa.select(self._jobs).where(*wanted).order_by(jobs.id.desc()).limit(limit)
        return (await self._connection.execute(statement)).mappings().all()

    async def count(self, tenant_id: str) -> dict[str, int]:
        """How many jobs there are, by state; states without any are left out."""
        jobs = self._jobs.c
        statement = sa.select(jobs.state, sa.func.count()).where(jobs.tenant_id == tenant_id).group_by(jobs.state)
        return {row.state: row[1] for row in await self._connection.execute(statement)}

    async def get(self, tenant_id: str, job_id: UUID, *, lock: bool = False) -> sa.RowMapping:
        """A job's columns by name. lock: nobody else changes it in this transaction. Raises JobNotFound."""
        jobs = self._jobs.c
        statement = sa.select(self._jobs).where(jobs.tenant_id == tenant_id, jobs.id == job_id)
        found = await self._connection.execute(statement.with_for_update() if lock else statement)
        row = found.mappings().one_or_none()
        if row is None:
            wrong = FieldProblem(field="path.job_id", value=str(job_id), message="no job has this id")
            raise JobNotFound(f"no job has the id {job_id}", errors=[wrong])
        return row

    async def cancel(self, tenant_id: str, job_id: UUID) -> sa.RowMapping:
        """Cancel a job that no living worker has, ask the worker of one that runs; its columns then.

        Asking twice is asking once. Raises JobNotFound, JobFinished.
        """
        job = await self.get(tenant_id, job_id, lock=True)
        if job["state"] == "cancelled":
            return job
        if job["state"] in FINISHED:
            raise JobFinished(f"job {job_id} has {job['state']}; there is nothing to cancel", state=job["state"])
        jobs, now = self._jobs, sa.func.clock_timestamp()
        idle = sa.or_(jobs.c.state == "queued", jobs.c.leased_until < now)
        ended = {"state": "cancelled", "stage": "cancelled", "finished_at": now, "leased_until": None}
        values = {name: sa.case((idle, value), else_=jobs.c[name]) for name, value in ended.items()}
        update = sa.update(jobs).where(jobs.c.id == job_id).values(**values, cancel_requested=True, updated_at=now)
        row: sa.RowMapping = (await self._connection.execute(update.returning(jobs))).mappings().one()
        await notify(self._connection, self._tables.work_channel)
        await notify(self._connection, self._tables.progress_channel, str(job_id))
        return row

    async def retry(
        self, tenant_id: str, job_id: UUID, *, headers: Mapping[str, str], max_queued: int | None = None
    ) -> UUID:
        """A new job that does the same, for one that failed or was cancelled; its id.

        A job is retried once: asking again gives the same new job. Raises JobNotFound, JobNotRetriable, JobQueueFull.
        """
        job = await self.get(tenant_id, job_id, lock=True)
        if job["state"] not in RETRIABLE:
            raise JobNotRetriable(_why_not(job), state=job["state"])
        jobs = self._jobs.c
        known: UUID | None = await self._connection.scalar(sa.select(jobs.id).where(jobs.retry_of == job_id))
        if known is not None:
            return known
        own = {name: job[name] for name in ("time_limit_s", *self._tables.own_names)}
        return await self.enqueue(
            tenant_id, job["kind"], job["spec"], headers=headers, max_queued=max_queued, retry_of=job_id, **own
        )

    async def delete(self, tenant_id: str, job_id: UUID) -> None:
        """Forget a job that has ended. Raises JobNotFound, JobNotFinished."""
        job = await self.get(tenant_id, job_id, lock=True)
        if job["state"] not in FINISHED:
            raise JobNotFinished(f"job {job_id} is {job['state']}; cancel it first", state=job["state"])
        await self._connection.execute(sa.delete(self._jobs).where(self._jobs.c.id == job_id))


def _why_not(job: sa.RowMapping) -> str:
    if job["state"] == "succeeded":
        return f"job {job['id']} has succeeded; there is nothing to try again, ask for a new job"
    return f"job {job['id']} is {job['state']}; wait for its end, or cancel it, before it is tried again"
