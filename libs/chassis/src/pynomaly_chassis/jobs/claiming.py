"""Whose turn it is.

Tenants take turns: first comes the one who was served longest ago, with the job that has waited longest. Claims are
made one after the other, so that each sees the turns that were taken before it: of k tenants with jobs, none waits for
more than k turns, whatever the others queue. Each step reads an index by its beginning, so that neither long queues
nor a long past make a claim slow.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

NOW = sa.func.clock_timestamp()
MAX_CRASHES = 3
STALLED_S = 5
"""A claimer that stops in the middle of a claim loses its connection after so long, s, and the others go on."""

_LOCK = sa.text(
    "SELECT set_config('idle_in_transaction_session_timeout', :idle, true), "
    "set_config('lock_timeout', :patience, true), pg_advisory_xact_lock(:key)"
)
_PATIENCE_S = 30  # a crowd of workers that start at once, each of whose claims is quick
_LOCK_KEY = 7_406_002  # arbitrary, and none of the migrations'

# `waiting` leaps from tenant to tenant through the index of queued jobs.
_TENANTS = """
    WITH RECURSIVE waiting AS (
        (SELECT tenant_id FROM jobs WHERE state = 'queued' ORDER BY tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT jobs.tenant_id FROM jobs WHERE jobs.state = 'queued' AND jobs.tenant_id > waiting.tenant_id
                ORDER BY jobs.tenant_id LIMIT 1)
        FROM waiting WHERE waiting.tenant_id IS NOT NULL
    ), running AS (
        SELECT tenant_id, count(*) FILTER (WHERE leased_until >= clock_timestamp()) AS n_running,
               min(run_after) FILTER (WHERE leased_until < clock_timestamp()) AS lapsed
        FROM jobs WHERE state = 'running' GROUP BY tenant_id
    ), tenants AS (
        SELECT tenant_id FROM waiting WHERE tenant_id IS NOT NULL UNION SELECT tenant_id FROM running
    )
    SELECT tenants.tenant_id
    FROM tenants LEFT JOIN running USING (tenant_id) LEFT JOIN job_turns USING (tenant_id)
    LEFT JOIN LATERAL (
        SELECT run_after, id FROM jobs WHERE jobs.tenant_id = tenants.tenant_id AND state = 'queued'
        AND run_after <= clock_timestamp() ORDER BY run_after, id LIMIT 1
    ) AS due ON true
    WHERE (due.id IS NOT NULL OR running.lapsed IS NOT NULL)
      AND (CAST(:max_running AS integer) IS NULL OR coalesce(running.n_running, 0) < :max_running)
    ORDER BY job_turns.turn NULLS FIRST, coalesce(running.lapsed, due.run_after), due.id
"""
_TAKE_TURN = """
    INSERT INTO job_turns (tenant_id, turn) VALUES (:tenant_id, (SELECT coalesce(max(turn), 0) + 1 FROM job_turns))
    ON CONFLICT (tenant_id) DO UPDATE SET turn = excluded.turn
"""


async def tenants_in_turn(connection: AsyncConnection, max_running: int | None) -> Sequence[str]:
    """Who has something to do and fewer than `max_running` jobs at work, in the order of their turns."""
    return (await connection.scalars(sa.text(_TENANTS), {"max_running": max_running})).all()


async def wait_for_claims(connection: AsyncConnection) -> None:
    """Return when no other transaction claims; until this one ends, none does."""
    await connection.execute(_LOCK, {"idle": f"{STALLED_S}s", "patience": f"{_PATIENCE_S}s", "key": _LOCK_KEY})


async def take_turn(connection: AsyncConnection, tenant_id: str) -> None:
    """Move the tenant to the end."""
    await connection.execute(sa.text(_TAKE_TURN), {"tenant_id": tenant_id})


def next_job(jobs: sa.Table, tenant_id: str) -> sa.ColumnElement[Any]:
    """The id of the tenant's next job: one whose worker's lease has ended, else the one that has waited longest."""
    of_tenant = sa.and_(jobs.c.tenant_id == tenant_id, sa.not_(is_hopeless(jobs)))
    due = sa.and_(has_state(jobs, "queued"), jobs.c.run_after <= NOW)
    found = [_first(jobs, sa.and_(of_tenant, ready)) for ready in (has_lapsed(jobs), due)]
    return sa.func.coalesce(*found)


def has_state(jobs: sa.Table, state: str) -> sa.ColumnElement[bool]:
    """Spelled out in the statement, as the conditions of indexes are."""
    return jobs.c.state == sa.literal_column(f"'{state}'")


def has_lapsed(jobs: sa.Table) -> sa.ColumnElement[bool]:
    """Whether nobody works on it although somebody began."""
    return sa.and_(has_state(jobs, "running"), jobs.c.leased_until < NOW)


def is_hopeless(jobs: sa.Table) -> sa.ColumnElement[bool]:
    """Whether it is not to be begun again."""
    crashes = jobs.c.attempts - jobs.c.excused
    return sa.or_(jobs.c.cancel_requested, crashes >= sa.literal_column(str(MAX_CRASHES)))


def _first(jobs: sa.Table, ready: sa.ColumnElement[bool]) -> sa.ScalarSelect[Any]:
    found = sa.select(jobs.c.id).where(ready).order_by(jobs.c.run_after, jobs.c.id).limit(1)
    return found.with_for_update(skip_locked=True).scalar_subquery()
