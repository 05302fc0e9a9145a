"""Statements on jobs, as their owners see them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pynomaly_chassis.jobs import JobNeeded, JobNotRetriable, JobRows, Place, forget_ended, places
from pynomaly_contracts.jobs import Job, JobKind, JobState, JobSummary, QueuePlace
from sqlalchemy.ext.asyncio import AsyncConnection

from detector_service.tables import detectors, job_store, jobs


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
        time_limit_s: float | None = None,
        max_queued: int | None = None,
    ) -> UUID:
        """Store a job that a worker will begin once this transaction commits; its id. Raises JobQueueFull."""
        own = {"detector_id": detector_id, "time_limit_s": time_limit_s}
        return await self._rows.enqueue(tenant_id, kind, spec, headers=headers, max_queued=max_queued, **own)

    async def get(self, tenant_id: str, job_id: UUID) -> Job:
        """Raises JobNotFound."""
        (job,) = await self._told(tenant_id, [await self._rows.get(tenant_id, job_id)])
        return job

    async def page(
        self,
        tenant_id: str,
        *,
        limit: int,
        before: UUID | None = None,
        state: JobState | None = None,
        kind: JobKind | None = None,
        detector_id: UUID | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> list[Job]:
        """Up to `limit` jobs, newest first."""
        rows = await self._rows.page(
            tenant_id,
            limit=limit,
            before=before,
            created_after=created_after,
            created_before=created_before,
            equal={"state": state, "kind": kind, "detector_id": detector_id},
        )
        return await self._told(tenant_id, rows)

    async def summary(self, tenant_id: str, max_queued: int) -> JobSummary:
        """How many there are, by state."""
        none = dict.fromkeys(("queued", "running", "succeeded", "failed", "cancelled"), 0)
        return JobSummary(**(none | await self._rows.count(tenant_id)), max_queued=max_queued)

    async def cancel(self, tenant_id: str, job_id: UUID) -> Job:
        """Cancel a job that no living worker has, ask the worker of one that runs. Raises JobNotFound, JobFinished."""
        return _job(await self._rows.cancel(tenant_id, job_id), None)

    async def retry(self, tenant_id: str, job_id: UUID, *, headers: Mapping[str, str], max_queued: int) -> UUID:
        """The id of a new job that does the same. Raises JobNotFound, JobNotRetriable, JobQueueFull."""
        job = await self._rows.get(tenant_id, job_id)
        if job["detector_id"] is not None and not await self._connection.scalar(_lives(job["detector_id"])):
            raise JobNotRetriable(f"the detector of job {job_id} was deleted", state=job["state"])
        return await self._rows.retry(tenant_id, job_id, headers=headers, max_queued=max_queued)

    async def delete(self, tenant_id: str, job_id: UUID) -> None:
        """Forget a job that has ended. Raises JobNotFound, JobNotFinished, JobNeeded."""
        job = await self._rows.get(tenant_id, job_id, lock=True)
        if await self._connection.scalar(sa.select(_is_lineage()).where(jobs.c.id == job_id)):
            made = f"version {job['result']['model_version']} of model {job['result']['model_name']!r}"
            message = f"job {job_id} made {made}, whose lineage names it; delete the detector first"
            raise JobNeeded(message, detector_id=str(job["detector_id"]))
        await self._rows.delete(tenant_id, job_id)

    async def forget_ended(self, kept: timedelta) -> int:
        """Delete some jobs of all tenants that ended longer ago and that no lineage names; how many."""
        return await forget_ended(self._connection, job_store, kept, unless=_is_lineage())

    async def _told(self, tenant_id: str, rows: Sequence[sa.RowMapping]) -> list[Job]:
        waiting = [row["id"] for row in rows if row["state"] == "queued"]
        stand = await places(self._connection, tenant_id, waiting) if waiting else {}
        return [_job(row, stand.get(row["id"])) for row in rows]


def _lives(detector_id: UUID) -> sa.Select[Any]:
    return sa.select(detectors.c.id).where(detectors.c.id == detector_id, detectors.c.deleted_at.is_(None))


def _is_lineage() -> sa.ColumnElement[bool]:
    """Whether a version of a living detector's model came from it: the model's lineage names the job."""
    trained = sa.and_(jobs.c.kind == "train", jobs.c.state == "succeeded")
    alive = sa.and_(detectors.c.id == jobs.c.detector_id, detectors.c.deleted_at.is_(None))
    return sa.and_(trained, sa.select(detectors.c.id).where(alive).correlate(jobs).exists())


def _job(row: sa.RowMapping, place: Place | None) -> Job:
    stands = None if place is None else QueuePlace(position=place.position, starts_in_s=place.starts_in_s)
    return Job.model_validate({**row, "queue": stands})
