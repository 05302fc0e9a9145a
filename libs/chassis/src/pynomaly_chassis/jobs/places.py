"""Where a waiting job stands, and when it may begin."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

_LINES = """
    SELECT tenant_id, count(*) AS n_jobs
    FROM jobs LEFT JOIN job_turns USING (tenant_id) WHERE state = 'queued'
    GROUP BY tenant_id, turn ORDER BY turn NULLS FIRST, min(run_after)
"""
_RANKS = """
    SELECT id, rank FROM (
        SELECT id, row_number() OVER (ORDER BY run_after, id) AS rank FROM jobs
        WHERE tenant_id = :tenant_id AND state = 'queued'
    ) AS ranked WHERE id = ANY(:job_ids)
"""
_PACE = """
    SELECT (SELECT avg(extract(epoch FROM finished_at - started_at)) FROM (
               SELECT started_at, finished_at FROM jobs WHERE finished_at IS NOT NULL AND started_at IS NOT NULL
               ORDER BY finished_at DESC LIMIT 20
           ) AS recent) AS job_s,
           coalesce(sum(lanes), 0) AS lanes, coalesce(sum(lanes - busy), 0) AS free
    FROM job_workers WHERE seen_at > clock_timestamp() - interval '30 seconds'
"""


@dataclass(frozen=True)
class Place:
    """position: 1 begins next; starts_in_s: an estimate, s, None where nobody works or nothing has ended yet."""

    position: int
    starts_in_s: float | None


async def places(connection: AsyncConnection, tenant_id: str, job_ids: Iterable[UUID]) -> dict[UUID, Place]:
    """Of those of the tenant's jobs that wait, if nobody queues any more.

    The tenants take turns, so that of another's line only as many jobs go before as there are turns.
    """
    wanted = {"tenant_id": tenant_id, "job_ids": list(job_ids)}
    ranks = (await connection.execute(sa.text(_RANKS), wanted)).all()
    if not ranks:
        return {}
    lines = [(row.tenant_id, row.n_jobs) for row in await connection.execute(sa.text(_LINES))]
    pace = (await connection.execute(sa.text(_PACE))).one()
    job_s = None if pace.job_s is None else float(pace.job_s)
    found = {row.id: position_of(tenant_id, row.rank, lines) for row in ranks}
    return {job_id: Place(at, _starts_in_s(at, job_s, int(pace.lanes), int(pace.free))) for job_id, at in found.items()}


def position_of(tenant_id: str, rank: int, lines: Iterable[tuple[str, int]]) -> int:
    """Of a tenant's job number `rank`, from 1. lines: tenants in the order of their turns, with the jobs that wait."""
    position, is_before = rank, True
    for other, n_jobs in lines:
        if other == tenant_id:
            is_before = False
        else:
            position += min(n_jobs, rank if is_before else rank - 1)
    return position


def _starts_in_s(position: int, job_s: float | None, lanes: int, free: int) -> float | None:
    if position <= free:
        return 0.0
    if job_s is None or lanes == 0:
        return None
    return float(math.ceil((position - free) * job_s / lanes))
