"""Statements of the workers: a durable queue in the jobs table.

A claim raises `attempts`, and that number fences: every later statement of the attempt is tied to it, so a worker that
wakes late changes nothing once another has claimed the job. All times are the database's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from pynomaly_contracts.jobs import JobKind
from sqlalchemy.ext.asyncio import AsyncConnection

from detector_service.errors import JobQuarantined, problem_document
from detector_service.repository.jobs import PROGRESS_CHANNEL, notify
from detector_service.tables import jobs

MAX_CRASHES = 3
_LEASE_ENDED = "its worker stopped answering"
_NOW = sa.func.clock_timestamp()


class Standing(StrEnum):
    """What an attempt learns when it renews its lease."""

    HELD = "held"
    CANCELLED = "cancelled"
    LOST = "lost"


@dataclass(frozen=True)
class Lease:
    """The right of one attempt to work on one job."""

    job_id: UUID
    tenant_id: str
    attempt: int
    kind: JobKind
    detector_id: UUID | None
    spec: Mapping[str, Any]
    headers: Mapping[str, str]
    postponed: int


class JobQueue:
    """Jobs of all tenants."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim(self, lease_s: float) -> Lease | None:
        """A job that waits or whose worker's lease has ended; None where there is none.

        Tenants take turns: first comes the one whose last job began longest ago, with the job that has waited longest.
        """
        due = sa.and_(jobs.c.state == "queued", jobs.c.run_after <= _NOW)
        ready = sa.and_(sa.or_(due, _lapsed()), sa.not_(_hopeless()))
        candidate = (
            sa.select(jobs.c.id)
            .where(ready)
            .order_by(_last_turn().asc().nulls_first(), jobs.c.run_after, jobs.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        statement = (
            sa.update(jobs)
            .where(jobs.c.id == candidate.scalar_subquery())
            .values(
                state="running",
                stage="starting",
                progress=0.0,
                attempts=jobs.c.attempts + 1,
                leased_until=_NOW + timedelta(seconds=lease_s),
                started_at=sa.func.coalesce(jobs.c.started_at, _NOW),
                updated_at=_NOW,
            )
            .returning(jobs)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            return None
        await self._changed(row.id)
        return _lease(row)

    async def end_hopeless(self) -> None:
        """End the jobs that nobody works on and that are cancelled or have crashed too often."""
        statement = (
            sa.select(jobs.c.id, jobs.c.cancel_requested)
            .where(sa.or_(jobs.c.state == "queued", _lapsed()), _hopeless())
            .with_for_update(skip_locked=True)
        )
        for row in (await self._connection.execute(statement)).all():
            ended = _cancelled() if row.cancel_requested else _quarantined(_LEASE_ENDED)
            await self._connection.execute(sa.update(jobs).where(jobs.c.id == row.id).values(**ended))
            await self._changed(row.id)

    async def renew(self, lease: Lease, lease_s: float, news: tuple[str, float] | None = None) -> Standing:
        """Prolong the lease, and tell the stage and progress in [0, 1] where there is news."""
        values: dict[str, Any] = {"leased_until": _NOW + timedelta(seconds=lease_s)}
        if news is not None:
            values |= {"stage": news[0], "progress": news[1], "updated_at": _NOW}
        statement = sa.update(jobs).where(_is_held(lease)).values(**values).returning(jobs.c.cancel_requested)
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            return Standing.LOST
        if news is not None:
            await self._changed(lease.job_id)
        return Standing.CANCELLED if row.cancel_requested else Standing.HELD

    async def succeed(self, lease: Lease, result: Mapping[str, Any]) -> bool:
        """Store the result; False where the job is another's by now, as in all that follow."""
        return await self._settle(lease, **_ended("succeeded", "done"), progress=1.0, result=dict(result))

    async def fail(self, lease: Lease, problem: Mapping[str, Any]) -> bool:
        """Fail for good, for a reason that trying again would not change."""
        return await self._settle(lease, **_ended("failed", "failed"), problem=_storable(problem))

    async def cancelled(self, lease: Lease) -> bool:
        """The work was ended because its owner asked for it."""
        return await self._settle(lease, **_cancelled())

    async def hand_back(self, lease: Lease) -> bool:
        """Queue it again at once: this worker ends."""
        return await self._settle(lease, **_queued("queued"), run_after=_NOW, excused=jobs.c.excused + 1)

    async def postpone(self, lease: Lease, delay_s: float) -> bool:
        """Queue it again for later: a peer is away."""
        return await self._settle(
            lease,
            **_queued("waiting for a service"),
            run_after=_NOW + timedelta(seconds=delay_s),
            excused=jobs.c.excused + 1,
            postponed=jobs.c.postponed + 1,
        )

    async def crash(self, lease: Lease, reason: str, delay_s: float) -> bool:
        """Queue it again, or quarantine it if this was its last chance."""
        reason = reason.replace("\0", "\ufffd")
        statement = sa.select(jobs.c.attempts - jobs.c.excused).where(_is_held(lease)).with_for_update()
        n_crashes = await self._connection.scalar(statement)
        if n_crashes is not None and n_crashes >= MAX_CRASHES:
            return await self._settle(lease, **_quarantined(reason))
        later = _NOW + timedelta(seconds=delay_s)
        return await self._settle(lease, **_queued("queued after a crash"), run_after=later, last_crash=reason)

    async def unfinished(self, job_ids: set[UUID]) -> set[UUID]:
        """Those among the jobs that have not ended."""
        statement = sa.select(jobs.c.id).where(jobs.c.id.in_(job_ids), jobs.c.finished_at.is_(None))
        return set((await self._connection.scalars(statement)).all())

    async def _settle(self, lease: Lease, **values: Any) -> bool:
        values = {**values, "leased_until": None, "updated_at": _NOW}
        statement = sa.update(jobs).where(_is_held(lease)).values(values)
        if (await self._connection.execute(statement)).rowcount == 0:
            return False
        await self._changed(lease.job_id)
        return True

    async def _changed(self, job_id: UUID) -> None:
        await notify(self._connection, PROGRESS_CHANNEL, str(job_id))


def _is_held(lease: Lease) -> sa.ColumnElement[bool]:
    return sa.and_(
        jobs.c.tenant_id == lease.tenant_id,
        jobs.c.id == lease.job_id,
        jobs.c.state == "running",
        jobs.c.attempts == lease.attempt,
    )


def _last_turn() -> sa.ScalarSelect[Any]:
    """When the latest of the tenant's jobs was begun for the first time; null where none was."""
    others = jobs.alias("others")
    return sa.select(sa.func.max(others.c.started_at)).where(others.c.tenant_id == jobs.c.tenant_id).scalar_subquery()


def _lapsed() -> sa.ColumnElement[bool]:
    return sa.and_(jobs.c.state == "running", jobs.c.leased_until < _NOW)


def _hopeless() -> sa.ColumnElement[bool]:
    return sa.or_(jobs.c.cancel_requested, jobs.c.attempts - jobs.c.excused >= MAX_CRASHES)


def _storable(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Without NUL, which JSON can spell and PostgreSQL cannot store."""
    document: dict[str, Any] = orjson.loads(orjson.dumps(dict(problem)).replace(rb"\u0000", rb"\ufffd"))
    return document


def _queued(stage: str) -> dict[str, Any]:
    return {"state": "queued", "stage": stage, "progress": 0.0}


def _ended(state: str, stage: str) -> dict[str, Any]:
    return {"state": state, "stage": stage, "finished_at": _NOW}


def _cancelled() -> dict[str, Any]:
    return _ended("cancelled", "cancelled") | {"leased_until": None, "updated_at": _NOW}


def _quarantined(reason: str) -> dict[str, Any]:
    problem = JobQuarantined(
        f"the job crashed {MAX_CRASHES} times and is not tried again; last: {reason}", reason=reason
    )
    values = _ended("failed", "quarantined") | {"leased_until": None, "updated_at": _NOW}
    return values | {"problem": problem_document(problem), "last_crash": reason}


def _lease(row: sa.Row[Any]) -> Lease:
    return Lease(
        job_id=row.id,
        tenant_id=row.tenant_id,
        attempt=row.attempts,
        kind=row.kind,
        detector_id=row.detector_id,
        spec=row.spec,
        headers=row.headers,
        postponed=row.postponed,
    )
