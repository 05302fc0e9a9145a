"""Statements of the workers: a durable queue in the table of jobs.

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
from sqlalchemy.ext.asyncio import AsyncConnection

from pynomaly_chassis.jobs.claiming import (
    MAX_CRASHES,
    NOW,
    has_lapsed,
    has_state,
    is_hopeless,
    next_job,
    take_turn,
    tenants_in_turn,
    wait_for_claims,
)
from pynomaly_chassis.jobs.problems import JobQuarantined
from pynomaly_chassis.jobs.rows import notify
from pynomaly_chassis.jobs.tables import JobTables
from pynomaly_chassis.jobs.workers import WorkerRows
from pynomaly_chassis.problems import problem_document

_LEASE_ENDED = "its worker stopped answering"


class Standing(StrEnum):
    """What an attempt learns when it renews its lease."""

    HELD = "held"
    CANCELLED = "cancelled"
    LOST = "lost"


@dataclass(frozen=True)
class Lease:
    """The right of one attempt to work on one job.

    time_limit_s: how long a try may take, s, as it was asked for; own: the job's columns that are the service's own.
    """

    job_id: UUID
    tenant_id: str
    attempt: int
    kind: str
    spec: Mapping[str, Any]
    headers: Mapping[str, str]
    postponed: int
    time_limit_s: float | None
    own: Mapping[str, Any]


class JobQueue:
    """Jobs of all tenants."""

    def __init__(self, connection: AsyncConnection, tables: JobTables) -> None:
        self._connection, self._tables, self._jobs = connection, tables, tables.jobs

    @property
    def workers(self) -> WorkerRows:
        """Who works on it."""
        return WorkerRows(self._connection, self._tables)

    async def claim(self, lease_s: float, *, max_running: int | None = None) -> Lease | None:
        """A job that waits or whose worker's lease has ended, of the tenant whose turn it is; None where there is none.

        max_running: a tenant with so many jobs at work gets no further one. Other claims wait for this transaction.
        """
        if not await tenants_in_turn(self._connection, max_running):
            return None
        await wait_for_claims(self._connection)
        for tenant_id in await tenants_in_turn(self._connection, max_running):
            row = await self._claim_of(tenant_id, lease_s)
            if row is not None:
                await take_turn(self._connection, tenant_id)
                await self._changed(row.id)
                return self._lease(row)
        return None

    async def _claim_of(self, tenant_id: str, lease_s: float) -> sa.Row[Any] | None:
        jobs = self._jobs
        values = {
            "state": "running",
            "stage": "starting",
            "progress": 0.0,
            "attempts": jobs.c.attempts + 1,
            "leased_until": NOW + timedelta(seconds=lease_s),
            "started_at": sa.func.coalesce(jobs.c.started_at, NOW),
            "updated_at": NOW,
        }
        statement = sa.update(jobs).where(jobs.c.id == next_job(jobs, tenant_id)).values(values).returning(jobs)
        row: sa.Row[Any] | None = (await self._connection.execute(statement)).one_or_none()
        return row

    async def end_hopeless(self) -> None:
        """End the jobs that nobody works on and that are cancelled or have crashed too often."""
        jobs, hopeless = self._jobs, is_hopeless(self._jobs)
        for idle in (has_state(jobs, "queued"), has_lapsed(jobs)):
            statement = sa.select(jobs.c.id, jobs.c.cancel_requested).where(idle, hopeless)
            for row in (await self._connection.execute(statement.with_for_update(skip_locked=True))).all():
                ended = _cancelled() if row.cancel_requested else _quarantined(_LEASE_ENDED)
                await self._connection.execute(sa.update(jobs).where(jobs.c.id == row.id).values(**ended))
                await self._changed(row.id)

    async def renew(self, lease: Lease, lease_s: float, news: tuple[str, float] | None = None) -> Standing:
        """Prolong the lease, and tell the stage and progress in [0, 1] where there is news."""
        values: dict[str, Any] = {"leased_until": NOW + timedelta(seconds=lease_s)}
        if news is not None:
            values |= {"stage": news[0], "progress": news[1], "updated_at": NOW}
        statement = sa.update(self._jobs).where(self._is_held(lease)).values(**values)
        row = (await self._connection.execute(statement.returning(self._jobs.c.cancel_requested))).one_or_none()
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
        return await self._settle(lease, **_queued("queued"), run_after=NOW, excused=self._jobs.c.excused + 1)

    async def postpone(self, lease: Lease, delay_s: float) -> bool:
        """Queue it again for later: a peer is away."""
        return await self._settle(
            lease,
            **_queued("waiting for a service"),
            run_after=NOW + timedelta(seconds=delay_s),
            excused=self._jobs.c.excused + 1,
            postponed=self._jobs.c.postponed + 1,
        )

    async def crash(self, lease: Lease, reason: str, delay_s: float) -> bool:
        """Queue it again, or quarantine it if this was its last chance."""
        reason = reason.replace("\0", "\ufffd")
        jobs = self._jobs.c
        statement = sa.select(jobs.attempts - jobs.excused).where(self._is_held(lease))
        n_crashes = await self._connection.scalar(statement.with_for_update())
        if n_crashes is not None and n_crashes >= MAX_CRASHES:
            return await self._settle(lease, **_quarantined(reason))
        later = NOW + timedelta(seconds=delay_s)
        return await self._settle(lease, **_queued("queued after a crash"), run_after=later, last_crash=reason)

    async def unfinished(self, job_ids: set[UUID]) -> set[UUID]:
        """Those among the jobs that have not ended."""
        jobs = self._jobs.c
        statement = sa.select(jobs.id).where(jobs.id.in_(job_ids), jobs.finished_at.is_(None))
        return set((await self._connection.scalars(statement)).all())

    async def _settle(self, lease: Lease, **values: Any) -> bool:
        values = {**values, "leased_until": None, "updated_at": NOW}
        statement = sa.update(self._jobs).where(self._is_held(lease)).values(values)
        if (await self._connection.execute(statement)).rowcount == 0:
            return False
        await self._changed(lease.job_id)
        return True

    async def _changed(self, job_id: UUID) -> None:
        await notify(self._connection, self._tables.progress_channel, str(job_id))

    def _is_held(self, lease: Lease) -> sa.ColumnElement[bool]:
        jobs = self._jobs.c
        return sa.and_(
            jobs.tenant_id == lease.tenant_id,
            jobs.id == lease.job_id,
            jobs.state == "running",
            jobs.attempts == lease.attempt,
        )

    def _lease(self, row: sa.Row[Any]) -> Lease:
        return Lease(
            job_id=row.id,
            tenant_id=row.tenant_id,
            attempt=row.attempts,
            kind=row.kind,
            spec=row.spec,
            headers=row.headers,
            postponed=row.postponed,
            time_limit_s=row.time_limit_s,
            own={name: row._mapping[name] for name in self._tables.own_names},  # noqa: SLF001 - SQLAlchemy's public reader
        )


def _storable(problem: Mapping[str, Any]) -> dict[str, Any]:
    """Without NUL, which JSON can spell and PostgreSQL cannot store."""
    document: dict[str, Any] = orjson.loads(orjson.dumps(dict(problem)).replace(rb"\u0000", rb"\ufffd"))
    return document


def _queued(stage: str) -> dict[str, Any]:
    return {"state": "queued", "stage": stage, "progress": 0.0}


def _ended(state: str, stage: str) -> dict[str, Any]:
    return {"state": state, "stage": stage, "finished_at": NOW}


def _cancelled() -> dict[str, Any]:
    return _ended("cancelled", "cancelled") | {"leased_until": None, "updated_at": NOW}


def _quarantined(reason: str) -> dict[str, Any]:
    problem = JobQuarantined(
        f"the job crashed {MAX_CRASHES} times and is not tried again; last: {reason}", reason=reason
    )
    values = _ended("failed", "quarantined") | {"leased_until": None, "updated_at": NOW}
    return values | {"problem": problem_document(problem), "last_crash": reason}
