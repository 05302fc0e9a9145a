"""Imports of queries, from a real PostgreSQL."""

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pyarrow.parquet as pq
import pytest
from dataset_service.imports.sources import SourceLimits
from dataset_service.imports.sql import BLOCK_BYTES, write_query
from dataset_service.settings import Settings
from dataset_service.tables import IMPORTS
from pydantic import SecretStr
from pynomaly_chassis.jobs import Notifications, wait_for
from pynomaly_contracts.imports import SqlSource
from pynomaly_suite.postgres import DatabaseUrls
from pynomaly_suite.testing import TemporaryPostgres

PATH = "/api/v1/datasets/imports"
Query = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture(scope="session")
def warehouse(postgres: TemporaryPostgres) -> DatabaseUrls:
    """A database of somebody else."""
    return postgres.database("dataset")


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"postgresql://nobody:hidden@127.0.0.1:{server.getsockname()[1]}/nothing"


@pytest.fixture
def settings(database: DatabaseUrls, warehouse: DatabaseUrls, silent: str, tmp_path: Path) -> Settings:
    away = "postgresql://nobody:hidden@127.0.0.1:1/nothing"
    connections = {"warehouse": warehouse.owner_url, "away": away, "silent": silent}
    return Settings.model_validate(
        {
            "database_url": database.app_url,
            "storage_path": tmp_path / "storage",
            "max_upload_size": 1_000_000,
            "import_timeout_s": 5,
            "import_connections": json.dumps(connections),
        }
    )


@pytest.fixture
async def queried(client: httpx.AsyncClient, database: DatabaseUrls) -> AsyncIterator[Query]:
    """`await queried("SELECT ...")`: the import when it has ended."""
    told = Notifications(database.app_url, IMPORTS.progress_channel, application_name="test")

    async def run(query: str, *, connection: str = "warehouse", **more: Any) -> dict[str, Any]:
        sql = {"connection": connection, "query": query}
        begun = await client.post(PATH, json={"name": "t", "sql": sql, **more})
        assert begun.status_code == 202, begun.text
        with told.subscription(begun.json()["id"]) as bell:
            while True:
                found: dict[str, Any] = (await client.get(f"{PATH}/{begun.json()['id']}")).json()
                if found["finished_at"] is not None:
                    return found
                await wait_for(bell, 5)

    async with told.listening():
        yield run


async def test_a_query_becomes_a_data_set_with_the_types_of_the_database(
    client: httpx.AsyncClient, queried: Query
) -> None:
    query = """-- what a warehouse has
        SELECT n::int2 AS small, n * 10000000000 AS big, n / 2.0 AS half, n::float4 AS real, n = 1 AS flag,
               'x:' || n AS text, date '2026-01-01' + n AS day, timestamp '2026-01-01' + n * interval '1 h' AS at,
               timestamptz '2026-01-01 00:00+02' AS zoned, NULLIF(n, 2) AS gap, '0017'::text AS code
        FROM generate_series(1, 3) AS n ORDER BY n"""
    end = await queried(query, target_column="flag")
    assert (end["state"], end["n_rows"], end["sql"]["connection"]) == ("succeeded", 3, "warehouse")
    dataset = (await client.get("/api/v1/datasets/t")).json()
    assert {column["name"]: column["type"] for column in dataset["columns"]} == {
        "small": "integer",
        "big": "integer",
        "half": "number",
        "real": "number",
        "flag": "boolean",
        "text": "string",
        "day": "date",
        "at": "datetime",
        "zoned": "datetime",
        "gap": "integer",
        "code": "string",
    }
    assert dataset["source"]["origin"] == "sql:warehouse"
    rows = (await client.get("/api/v1/datasets/t/rows", headers={"accept": "text/csv"})).text.splitlines()
    assert rows[2].startswith("2,20000000000,1.0,2.0,false,x:2,2026-01-03,2026-01-01T02:00:00")
    assert rows[2].endswith(",,0017")


async def test_more_rows_than_a_block_come_all_and_in_order(client: httpx.AsyncClient, queried: Query) -> None:
    end = await queried("SELECT n FROM generate_series(1, 25000) AS n ORDER BY n")
    assert end["n_rows"] == 25_000
    rows = (await client.get("/api/v1/datasets/t/rows", headers={"accept": "text/csv"})).text.split()
    assert rows == ["n", *map(str, range(1, 25_001))]


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO kept VALUES (9)",
        "DELETE FROM kept",
        "SELECT 1; DROP TABLE kept",
        "WITH gone AS (DELETE FROM kept RETURNING n) SELECT * FROM gone",
        "SELECT n INTO other FROM kept",
        "SELECT set_config('transaction_read_only', 'off', false), n FROM kept",
        "COMMIT",
        "COPY kept TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/passwd') FROM nothing",
        "SELECT",
        "/* SELECT */",
        "SELECT 1 AS a, 2 AS a",
        "SELECT '\\x00'::bytea AS raw",
        "SELECT nothing FROM kept",
    ],
)
async def test_what_is_no_single_query_that_only_reads_is_refused_and_changes_nothing(
    query: str, queried: Query, warehouse: DatabaseUrls
) -> None:
    connection = await asyncpg.connect(warehouse.owner_url)
    await connection.execute("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 1 AS n")
    end = await queried(query)
    assert (end["state"], end["problem"]["type"]) == ("failed", "/problems/import-source-refused")
    assert await connection.fetchval("SELECT count(*) FROM kept") == 1
    await connection.close()


async def test_a_query_without_rows_is_no_data_set(queried: Query) -> None:
    end = await queried("SELECT 1 AS n WHERE false")
    assert end["problem"]["type"] == "/problems/invalid-file"


async def test_a_query_that_takes_too_long_is_stopped(queried: Query) -> None:
    end = await queried("SELECT n, pg_sleep(100) IS NULL AS slept FROM generate_series(1, 2) AS n")
    assert end["problem"]["type"] == "/problems/import-timed-out"


async def test_a_database_that_says_nothing_is_left_at_the_deadline(queried: Query) -> None:
    end = await queried("SELECT 1 AS n", connection="silent")
    assert end["problem"]["type"] == "/problems/import-timed-out"
    assert "hidden" not in str(end)


async def test_a_query_with_more_bytes_than_an_upload_may_have_is_stopped(queried: Query) -> None:
    end = await queried("SELECT n, md5(n::text) || md5((n + 1)::text) AS text FROM generate_series(1, 100000) AS n")
    assert end["problem"]["type"] == "/problems/body-too-large"


async def test_a_database_that_is_away_is_asked_again_and_its_url_is_told_to_nobody(
    client: httpx.AsyncClient, database: DatabaseUrls
) -> None:
    told = Notifications(database.app_url, IMPORTS.progress_channel, application_name="test")
    async with told.listening():
        wanted = {"name": "t", "sql": {"connection": "away", "query": "SELECT 1 AS n"}}
        begun = (await client.post(PATH, json=wanted)).json()
        with told.subscription(begun["id"]) as bell:
            while (found := (await client.get(f"{PATH}/{begun['id']}")).json())["stage"] != "waiting for a service":
                await wait_for(bell, 5)
    assert (found["state"], found["attempts"]) == ("queued", 1)
    assert "hidden" not in (await client.get(f"{PATH}/{begun['id']}")).text


@pytest.mark.parametrize(
    "connections", ["not json", "[]", '{"a": 1}', '{"a": "mysql://u:hidden@h/d"}', '{"a": "hidden"}']
)
def test_connections_that_are_wrong_are_refused_without_being_shown(connections: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="IMPORT_CONNECTIONS") as refused:
        Settings.model_validate(
            {"database_url": "postgresql://a:b@c/d", "storage_path": tmp_path, "import_connections": connections}
        )
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT $1::int AS n", "takes parameters"),
        ("SELECT date '0044-03-15 BC' AS day", "cannot be read"),
        ("SELECT timestamp '0044-03-15 BC' AS at", "cannot be read"),
    ],
    ids=["parameter", "day-before-christ", "moment-before-christ"],
)
async def test_a_query_that_can_never_be_read_is_refused_once(query: str, said: str, queried: Query) -> None:
    end = await queried(query)
    assert (end["problem"]["type"], end["attempts"]) == ("/problems/import-source-refused", 1)
    assert said in end["problem"]["detail"]


async def test_a_text_of_one_byte_is_that_text(client: httpx.AsyncClient, queried: Query) -> None:
    await queried("""SELECT 'r'::"char" AS kind""")
    assert (await client.get("/api/v1/datasets/t/rows", headers={"accept": "text/csv"})).text == "kind\nr\n"


async def test_wide_rows_come_few_at_a_time(warehouse: DatabaseUrls, tmp_path: Path) -> None:
    n_bytes, target = 200_000, tmp_path / "rows"
    sql = SqlSource(connection="w", query="SELECT repeat('x', 200000) AS text FROM generate_series(1, 400)")
    limits = SourceLimits(max_bytes=10**9, connect_timeout_s=60, idle_timeout_s=60)
    url = SecretStr(warehouse.owner_url)
    assert await write_query(sql, url, target, limits, lambda *_: None, timeout_s=600) == 400
    found = pq.read_metadata(target)
    groups = [found.row_group(number).num_rows for number in range(found.num_row_groups)]
    assert sum(groups) == 400
    assert max(groups) * n_bytes <= BLOCK_BYTES
