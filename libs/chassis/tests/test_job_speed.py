"""A claim stays quick beside a long past and long queues."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import sqlalchemy as sa
from pynomaly_chassis.database import connect_raw
from pynomaly_chassis.jobs import places
from pynomaly_chassis.settings import ServiceSettings

if TYPE_CHECKING:
    from libs.chassis.tests.conftest import JobDatabase, JobsInTransaction

N_FINISHED, N_QUEUED, N_TENANTS = 100_000, 10_000, 20
_FILL = """
    INSERT INTO jobs (id, tenant_id, kind, state, stage, progress, spec, headers, attempts, excused, postponed,
                      cancel_requested, run_after, created_at, updated_at, started_at, finished_at)
    SELECT gen_random_uuid(), 'tenant-' || n % $3, 'train', $2, $2, 0, '{}', '{}', 0, 0, 0, false,
           now() - n * interval '1 second', now(), now(), $4::timestamptz, $4::timestamptz
    FROM generate_series(1, $1::int) AS n
"""


@pytest.fixture
async def crowded(repository: "JobDatabase", settings: ServiceSettings) -> AsyncIterator["JobDatabase"]:
    """With a long past and long queues, of which the planner knows."""
    assert settings.migration_database_url is not None
    owner = await connect_raw(settings.migration_database_url.get_secret_value(), application_name="owner")
    await _fill(owner)
    yield repository
    await owner.execute("TRUNCATE jobs, job_turns")
    await owner.close()


async def _fill(owner: asyncpg.Connection) -> None:
    moment = await owner.fetchval("SELECT now()")
    await owner.execute(_FILL, N_FINISHED, "succeeded", N_TENANTS, moment)
    await owner.execute(_FILL, N_QUEUED, "queued", N_TENANTS, None)
    await owner.execute("ANALYZE jobs")


class Spy:
    """Keeps the statements of an engine, with their parameters."""

    def __init__(self, repository: "JobDatabase") -> None:
        self.statements: list[tuple[str, Any]] = []
        self._engine = repository.database.engine.sync_engine

    def __enter__(self) -> "Spy":
        sa.event.listen(self._engine, "before_cursor_execute", self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        sa.event.remove(self._engine, "before_cursor_execute", self._hear)

    def _hear(self, _connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.startswith("INSERT INTO jobs"):  # reads nothing
            self.statements.append((statement, parameters))


async def plan_of(tx: "JobsInTransaction", statement: str, parameters: Any) -> tuple[str, int]:
    """How PostgreSQL goes about a statement, and how many of its blocks it looks at."""
    asked = f"EXPLAIN (ANALYZE, BUFFERS) {statement}"
    lines = [line for (line,) in await tx.connection.exec_driver_sql(asked, parameters)]
    hits = [word for line in lines if "Buffers:" in line for word in line.split() if word.startswith("hit=")]
    return "\n".join(lines), int(hits[0].removeprefix("hit=")) if hits else 0


async def test_neither_claims_nor_enqueues_read_all_jobs(crowded: "JobDatabase") -> None:
    with Spy(crowded) as spy:
        async with crowded.transaction() as tx:
            await tx.queue.end_hopeless()
            lease = await tx.queue.claim(30, max_running=2)
            await tx.jobs.enqueue("tenant-1", "train", {}, headers={}, max_queued=N_QUEUED)
    assert lease is not None
    n_blocks = 0
    async with crowded.transaction() as tx:
        for statement, parameters in spy.statements:
            plan, n_read = await plan_of(tx, statement, parameters)
            assert "Seq Scan on jobs" not in plan, plan
            n_blocks += n_read
        await tx.connection.rollback()
    assert n_blocks < 2_000, f"{n_blocks} blocks of 8 KiB"


async def test_neither_pages_nor_places_read_all_jobs(crowded: "JobDatabase") -> None:
    with Spy(crowded) as spy:
        async with crowded.transaction() as tx:
            for equal in ({}, {"state": "failed"}, {"kind": "evaluate"}):
                await tx.jobs.page("tenant-1", limit=50, equal=equal)
            (row,) = await tx.jobs.page("tenant-1", limit=1, equal={"state": "queued"})
            found = await places(tx.connection, "tenant-1", [row["id"]])
    assert 1 <= found[row["id"]].position <= N_QUEUED
    async with crowded.transaction() as tx:
        for statement, parameters in spy.statements:
            plan, _ = await plan_of(tx, statement, parameters)
            assert "Seq Scan on jobs" not in plan, plan
