"""Ended jobs are kept for a while."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from pynomaly_chassis.jobs.claiming import NOW
from pynomaly_chassis.jobs.tables import JobTables

AT_ONCE = 500
"""Jobs of one transaction: a sweep that dies has done whole ones."""


async def forget_ended(
    connection: AsyncConnection, tables: JobTables, kept: timedelta, *, unless: sa.ColumnElement[bool] | None = None
) -> int:
    """Delete up to AT_ONCE jobs that ended longer ago than `kept`, oldest first; how many.

    unless: what must stay although it is that old.
    """
    jobs = tables.jobs
    old: list[sa.ColumnElement[Any]] = [jobs.c.finished_at.is_not(None), jobs.c.finished_at < NOW - kept]
    if unless is not None:
        old.append(sa.not_(unless))
    chosen = sa.select(jobs.c.id).where(*old).order_by(jobs.c.finished_at).limit(AT_ONCE)
    locked = chosen.with_for_update(skip_locked=True).cte("old").prefix_with("MATERIALIZED")
    deleted = await connection.execute(sa.delete(jobs).where(jobs.c.id.in_(sa.select(locked.c.id))))
    return deleted.rowcount
