"""Statements on jobs, as their owners see them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pynomaly_contracts.problems import FieldProblem
from sqlalchemy.ext.asyncio import AsyncConnection

from pynomaly_chassis.ids import new_id
from pynomaly_chassis.jobs.problems import JobFinished, JobNotFound
from pynomaly_chassis.jobs.tables import JobTables

FINISHED = frozenset({"succeeded", "failed", "cancelled"})


async def notify(connection: AsyncConnection, channel: str, payload: str = "") -> None:
    """Ring at commit."""
    await connection.execute(sa.select(sa.func.pg_notify(channel, payload)))


class JobRows:
    """Jobs of one tenant at a time."""

    def __init__(self, connection: AsyncConnection, tables: JobTables) -> None:
        self._connection, self._tables, self._jobs = connection, tables, tables.jobs

    async def enqueue(
        self, tenant_id: str, kind: str, spec: Mapping[str, Any], *, headers: Mapping[str, str], **own: Any
    ) -> UUID:
        """Store a job that a worker will begin once this transaction commits; its id.

        own: further columns of the row: time_limit_s, retry_of, and the service's own.
        """
        now, job_id = sa.func.now(), new_id()
        values = {"id": job_id, "tenant_id": tenant_id, "kind": kind, **own}
        beginning = {"state": "queued", "stage": "queued", "progress": 0.0, "attempts": 0, "excused": 0, "postponed": 0}
        times = {"run_after": now, "created_at": now, "updated_at": now}
        content = {"spec": dict(spec), "headers": dict(headers), "cancel_requested": False}
        await self._connection.execute(sa.insert(self._jobs).values({**values, **beginning, **times, **content}))
        await notify(self._connection, self._tables.work_channel)
        return job_id

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
