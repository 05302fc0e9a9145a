"""Statements on imports, beside those that every job has."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pynomaly_chassis.jobs import JobRows, Lease, forget_ended
from pynomaly_contracts.imports import Import, ImportRequest
from pynomaly_contracts.jobs import JobState
from sqlalchemy.ext.asyncio import AsyncConnection

from dataset_service.imports.policy import without_query
from dataset_service.tables import IMPORTS

KIND = "import"
KEPT = timedelta(days=30)
"""How long an import that has ended is told of."""
_jobs = IMPORTS.jobs


class ImportRows:
    """Imports of one tenant at a time, as their owners see them."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection, self._rows = connection, JobRows(connection, IMPORTS)

    async def add(
        self, tenant_id: str, wanted: ImportRequest, headers: Mapping[str, str], *, max_queued: int
    ) -> Import:
        """Queue it: a worker begins once this transaction commits. Raises JobQueueFull."""
        spec = wanted.model_dump(mode="json", exclude_none=True)
        url = None if wanted.url is None else without_query(wanted.url)
        job_id = await self._rows.enqueue(
            tenant_id, KIND, spec, headers=headers, max_queued=max_queued, name=wanted.name, url=url
        )
        return await self.get(tenant_id, job_id)

    async def get(self, tenant_id: str, job_id: UUID) -> Import:
        """Raises JobNotFound."""
        return _import(await self._rows.get(tenant_id, job_id))

    async def cancel(self, tenant_id: str, job_id: UUID) -> Import:
        """Raises JobNotFound, JobFinished."""
        return _import(await self._rows.cancel(tenant_id, job_id))

    async def page(self, tenant_id: str, *, state: JobState | None, before: UUID | None, limit: int) -> list[Import]:
        """Newest first: up to limit + 1 of those older than `before`."""
        statement = sa.select(_jobs).where(_jobs.c.tenant_id == tenant_id, _jobs.c.kind == KIND)
        if state is not None:
            statement = statement.where(_jobs.c.state == state)
        if before is not None:
            statement = statement.where(_jobs.c.id < before)
        found = await self._connection.execute(statement.order_by(_jobs.c.id.desc()).limit(limit + 1))
        return [_import(row) for row in found.mappings()]


async def tell(connection: AsyncConnection, lease: Lease, counts: Mapping[str, int | None]) -> None:
    """Store how much was read, for an attempt that has its lease."""
    is_it = sa.and_(_jobs.c.id == lease.job_id, _jobs.c.attempts == lease.attempt, _jobs.c.state != "queued")
    await connection.execute(sa.update(_jobs).where(is_it).values(counts))


async def forget_secrets(connection: AsyncConnection, lease: Lease | None = None) -> None:
    """Take the queries out of the URLs of imports that have ended, or of one: signatures and tokens stand there."""
    kept = _jobs.c.spec.concat(sa.func.jsonb_build_object(sa.literal_column("'url'"), _jobs.c.url))
    has_more = sa.and_(_jobs.c.finished_at.is_not(None), _jobs.c.spec["url"].astext != _jobs.c.url)
    statement = sa.update(_jobs).where(has_more).values(spec=kept)
    await connection.execute(statement if lease is None else statement.where(_jobs.c.id == lease.job_id))


async def forget_old(connection: AsyncConnection) -> int:
    """Delete some imports of all tenants that ended longer ago than KEPT; how many."""
    return await forget_ended(connection, IMPORTS, KEPT)


def _import(row: Mapping[Any, Any]) -> Import:
    said = {"sql": row["spec"].get("sql"), "dataset_id": (row["result"] or {}).get("dataset_id")}
    return Import.model_validate({**row, **said})
