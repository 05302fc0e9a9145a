"""Imports while their process is killed or stalls: each makes one data set, and what ends every process is given up."""

import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from pynomaly_suite.postgres import DatabaseUrls
from pynomaly_suite.pytest_plugin import StartService
from pynomaly_suite.service_process import ServiceProcess
from pynomaly_suite.testing import TemporaryPostgres

pytestmark = pytest.mark.timeout(600)
PATH = "/api/v1/datasets/imports"
GATE = 42
HELD_QUERY = f"SELECT n FROM generate_series(1, 3) AS n WHERE pg_advisory_lock_shared({GATE}) IS NOT NULL"  # noqa: S608
ROW_OF_THE_SAME_NAME = """INSERT INTO datasets
    (id, tenant_id, name, version, n_rows, columns, sha256, size_bytes, object_key) VALUES
    (gen_random_uuid(), 'default', 't', '1', 1, '[]', '', 1, 'default/none')"""
LEASE_S = 15  # of a living process it never ends, however busy the machine is
Start = Callable[[], ServiceProcess]


class Gate:
    """Holds back the query of every try, until it is opened. It stands in the database that is imported from."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def close(self) -> None:
        await self._connection.execute(f"SELECT pg_advisory_lock({GATE})")

    async def open(self) -> None:
        await self._connection.execute(f"SELECT pg_advisory_unlock({GATE})")

    async def reached(self) -> None:
        """Return when a try waits here; those of before are gone."""
        await _waits(self._connection, "advisory")

    async def clear(self) -> None:
        """End what killed processes left waiting: nobody is there for its answer."""
        await self._connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pynomaly-import'"
        )


async def _waits(connection: asyncpg.Connection, kind: str) -> None:
    """Return when somebody waits for such a lock."""
    while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = $1", kind):
        continue


@pytest.fixture
async def warehouse(postgres: TemporaryPostgres) -> DatabaseUrls:
    return postgres.database("dataset")


@pytest.fixture
async def gate(warehouse: DatabaseUrls) -> AsyncIterator[Gate]:
    connection = await asyncpg.connect(warehouse.owner_url)
    gate = Gate(connection)
    await gate.close()
    yield gate
    await gate.clear()
    await connection.close()


@pytest.fixture
async def rows(database: DatabaseUrls) -> AsyncIterator[asyncpg.Connection]:
    """The dataset service's own database."""
    connection = await asyncpg.connect(database.owner_url)
    yield connection
    await connection.close()


@pytest.fixture
def start(database: DatabaseUrls, warehouse: DatabaseUrls, tmp_path: Path, start_service: StartService) -> Start:
    environment = {
        "DATABASE_URL": database.app_url,
        "STORAGE_PATH": str(tmp_path / "storage"),
        "POLARS_MAX_THREADS": "1",
        "IMPORT_CONNECTIONS": json.dumps({"warehouse": warehouse.owner_url}),
        "IMPORT_LEASE_S": str(LEASE_S),
        "IMPORT_POLL_S": "0.2",
    }
    return lambda: start_service("dataset", environment)


async def begin(service: ServiceProcess) -> str:
    sql = {"connection": "warehouse", "query": HELD_QUERY}
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
        begun = await client.post(PATH, json={"name": "t", "sql": sql})
    assert begun.status_code == 202
    return str(begun.json()["id"])


async def ended(service: ServiceProcess, job_id: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=service.url, timeout=60) as client:
        while (found := (await client.get(f"{PATH}/{job_id}")).json())["finished_at"] is None:
            continue
        assert [item["name"] for item in (await client.get("/api/v1/datasets")).json()["items"]] in ([], ["t"])
    return dict(found)


async def test_a_process_killed_while_it_reads_leaves_the_import_to_the_next(
    start: Start, gate: Gate, rows: asyncpg.Connection, tmp_path: Path
) -> None:
    first = start()
    job_id = await begin(first)
    await gate.reached()
    first.end(signal.SIGKILL)
    await gate.open()
    end = await ended(start(), job_id)
    assert (end["state"], end["attempts"] > 1, end["n_rows"]) == ("succeeded", True, 3)
    assert await rows.fetchval("SELECT count(*) FROM datasets") == 1
    files = [path for path in (tmp_path / "storage").rglob("*") if path.is_file()]
    assert [path.name for path in files] == [f"{end['dataset_id']}.parquet"]


async def test_a_process_killed_before_its_commit_has_made_nothing_and_the_next_makes_one(
    start: Start, gate: Gate, rows: asyncpg.Connection
) -> None:
    first = start()
    await gate.open()
    transaction = rows.transaction()
    await transaction.start()
    await rows.execute(ROW_OF_THE_SAME_NAME)  # what would be inserted waits for the end of this one
    job_id = await begin(first)
    await _waits(rows, "transactionid")
    first.end(signal.SIGKILL)
    await transaction.rollback()
    end = await ended(start(), job_id)
    assert (end["state"], end["attempts"] > 1) == ("succeeded", True)
    assert await rows.fetchval("SELECT array_agg(id::text) FROM datasets") == [end["dataset_id"]]


async def test_a_process_that_stalls_beyond_its_lease_changes_nothing_when_it_wakes(
    start: Start, gate: Gate, rows: asyncpg.Connection
) -> None:
    stalled = start()
    job_id = await begin(stalled)
    await gate.reached()
    os.kill(stalled.pid, signal.SIGSTOP)
    second = start()
    await gate.open()
    end = await ended(second, job_id)
    assert (end["state"], end["attempts"] > 1) == ("succeeded", True)
    os.kill(stalled.pid, signal.SIGCONT)
    async with httpx.AsyncClient(base_url=stalled.url, timeout=60) as client:
        assert (await client.get(f"{PATH}/{job_id}")).json()["dataset_id"] == end["dataset_id"]
    assert stalled.end(signal.SIGTERM) == -signal.SIGTERM
    assert await rows.fetchval("SELECT array_agg(id::text) FROM datasets") == [end["dataset_id"]]
    assert await rows.fetchval("SELECT attempts FROM jobs") == end["attempts"]


async def test_an_import_that_ends_every_process_is_given_up_after_three(
    start: Start, gate: Gate, rows: asyncpg.Connection
) -> None:
    job_id = ""
    for attempt in (1, 2, 3):
        service = start()
        job_id = job_id or await begin(service)
        await gate.reached()
        assert await rows.fetchval("SELECT attempts FROM jobs") == attempt
        service.end(signal.SIGKILL)
        await gate.clear()
    end = await ended(start(), job_id)
    assert (end["state"], end["stage"], end["attempts"]) == ("failed", "quarantined", 3)
    assert end["problem"]["type"] == "/problems/job-quarantined"
    assert await rows.fetchval("SELECT count(*) FROM datasets") == 0
