"""Statements on jobs, as their owners see them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pynomaly_chassis.ids import new_id
from pynomaly_contracts.jobs import FINISHED, Job, JobKind, JobState
from pynomaly_contracts.problems import FieldProblem
from sqlalchemy.ext.asyncio import AsyncConnection

from detector_service.errors import JobFinished, JobNotFound
from detector_service.tables import jobs

WORK_CHANNEL = "detector_work"
"""Rung when there may be something for a worker: a job was queued or is to be cancelled."""
PROGRESS_CHANNEL = "detector_progress"
"""Rung with a job's id when what its owner sees has changed."""


async def notify(connection: AsyncConnection, channel: str, payload: str = "") -> None:
    """Ring at commit."""
    await connection.execute(sa.select(sa.func.pg_notify(channel, payload)))


class JobRows:
    """Jobs of one tenant at a time."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def enqueue(
        self,
        tenant_id: str,
        kind: JobKind,
        spec: Mapping[str, Any],
        *,
        headers: Mapping[str, str],
        detector_id: UUID | None = None,
    ) -> UUID:
        """Store a job that a worker will begin once this transaction commits; its id."""
        now = sa.func.now()
        job_id = new_id()
        values = {"id": job_id, "tenant_id": tenant_id, "kind": kind, "detector_id": detector_id}
        beginning = {"state": "queued", "stage": "queued", "progress": 0.0, "attempts": 0, "excused": 0, "postponed": 0}
        times = {"run_after": now, "created_at": now, "updated_at": now}
        content = {"spec": dict(spec), "headers": dict(headers), "cancel_requested": False}
        await self._connection.execute(sa.insert(jobs).values({**values, **beginning, **times, **content}))
        await notify(self._connection, WORK_CHANNEL)
        return job_id

    async def get(self, tenant_id: str, job_id: UUID) -> Job:
        """Raises JobNotFound."""
        statement = sa.select(jobs).where(jobs.c.tenant_id == tenant_id, jobs.c.id == job_id)
        return _found((await self._connection.execute(statement)).one_or_none(), job_id)

    async def page(
        self, tenant_id: str, *, limit: int, before: UUID | None, state: JobState | None, kind: JobKind | None
    ) -> list[Job]:
        """Up to `limit` jobs, newest first."""
        statement = sa.select(jobs).where(jobs.c.tenant_id == tenant_id)
        if before is not None:
            statement = statement.where(jobs.c.id < before)
        if state is not None:
            statement = statement.where(jobs.c.state == state)
        if kind is not None:
            statement = statement.where(jobs.c.kind == kind)
        rows = await self._connection.execute(statement.order_by(jobs.c.id.desc()).limit(limit))
        return [_job(row) for row in rows]

    async def cancel(self, tenant_id: str, job_id: UUID) -> Job:
        """Cancel a job that no living worker has, ask the worker of one that runs.

        Asking twice is asking once. Raises JobNotFound, JobFinished.
        """
        statement = sa.select(jobs).where(jobs.c.tenant_id == tenant_id, jobs.c.id == job_id).with_for_update()
        job = _found((await self._connection.execute(statement)).one_or_none(), job_id)
        if job.state == "cancelled":
            return job
        if job.state in FINISHED:
            raise JobFinished(f"job {job_id} has {job.state}; there is nothing to cancel", state=job.state)
        now = sa.func.clock_timestamp()
        idle = sa.or_(jobs.c.state == "queued", jobs.c.leased_until < now)
        ended = {"state": "cancelled", "stage": "cancelled", "finished_at": now, "leased_until": None}
        values = {name: sa.case((idle, value), else_=jobs.c[name]) for name, value in ended.items()}
        update = sa.update(jobs).where(jobs.c.id == job_id).values(**values, cancel_requested=True, updated_at=now)
        row = (await self._connection.execute(update.returning(jobs))).one()
        await notify(self._connection, WORK_CHANNEL)
        await notify(self._connection, PROGRESS_CHANNEL, str(job_id))
        return _job(row)


def _found(row: sa.Row[Any] | None, job_id: UUID) -> Job:
    if row is None:
        wrong = FieldProblem(field="path.job_id", value=str(job_id), message="no job has this id")
        raise JobNotFound(f"no job has the id {job_id}", errors=[wrong])
    return _job(row)


def _job(row: sa.Row[Any]) -> Job:
    return Job.model_validate(dict(row._mapping))  # noqa: SLF001 - SQLAlchemy's public reader
