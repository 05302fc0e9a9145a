"""Statements on jobs, as their owners see them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pynomaly_chassis.jobs import JobRows
from pynomaly_contracts.jobs import Job, JobKind, JobState
from sqlalchemy.ext.asyncio import AsyncConnection

from detector_service.tables import job_store, jobs


class DetectorJobs:
    """Jobs of one tenant at a time."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection, self._rows = connection, JobRows(connection, job_store)

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
        return await self._rows.enqueue(tenant_id, kind, spec, headers=headers, detector_id=detector_id)

    async def get(self, tenant_id: str, job_id: UUID) -> Job:
        """Raises JobNotFound."""
        return _job(await self._rows.get(tenant_id, job_id))

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
        return [_job(row) for row in rows.mappings()]

    async def cancel(self, tenant_id: str, job_id: UUID) -> Job:
        """Cancel a job that no living worker has, ask the worker of one that runs. Raises JobNotFound, JobFinished."""
        return _job(await self._rows.cancel(tenant_id, job_id))


def _job(row: sa.RowMapping) -> Job:
    return Job.model_validate(dict(row))
