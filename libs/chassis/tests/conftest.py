"""A tiny service on the chassis, with a real database, for the chassis's own tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry
from pydantic import BaseModel, SecretStr
from pynomaly_chassis.app import create_service, json_router
from pynomaly_chassis.database import Database
from pynomaly_chassis.health import Vitals
from pynomaly_chassis.idempotency import (
    Claim,
    CreatedAnswer,
    IdempotencyKey,
    IdempotencyKeys,
    fingerprint,
    idempotency_table,
)
from pynomaly_chassis.ids import new_id
from pynomaly_chassis.jobs import JobQueue, JobRows, job_tables
from pynomaly_chassis.metrics import HttpMetrics
from pynomaly_chassis.migrations import migrate
from pynomaly_chassis.settings import ServiceSettings
from pynomaly_suite.testing import TemporaryPostgres
from sqlalchemy.ext.asyncio import AsyncConnection

METADATA = sa.MetaData()
KEYS = idempotency_table(METADATA)
NOTES = sa.Table("notes", METADATA, sa.Column("id", sa.Uuid, primary_key=True), sa.Column("text", sa.Text))
JOBS = job_tables(METADATA, sa.Column("note_id", sa.Uuid))
MIGRATIONS = Path(__file__).parent / "migrations"


class Note(BaseModel):
    """What the tiny service stores."""

    text: str


@pytest.fixture(scope="session")
def settings(postgres: TemporaryPostgres) -> ServiceSettings:
    urls = postgres.database("dataset")
    found = ServiceSettings(
        service_name="notes",
        port=0,
        database_url=urls.app_url,
        migration_database_url=urls.owner_url,
        max_request_size_mb=1,
    )
    migrate(found, MIGRATIONS)
    return found


@pytest.fixture
async def database(settings: ServiceSettings) -> AsyncIterator[Database]:
    opened = Database.open(settings)
    async with opened.transaction() as connection:
        await connection.execute(sa.delete(KEYS))
        await connection.execute(sa.delete(NOTES))
    yield opened
    await opened.close()


class JobsInTransaction:
    """A transaction with its statements on jobs."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection, self.tables = connection, JOBS
        self.queue, self.jobs = JobQueue(connection, JOBS), JobRows(connection, JOBS)


class JobDatabase:
    """The way to the jobs, as a service's repository has it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[JobsInTransaction]:
        async with self.database.transaction() as connection:
            yield JobsInTransaction(connection)


@pytest.fixture
async def repository(database: Database) -> JobDatabase:
    """Without jobs."""
    async with database.transaction() as connection:
        for table in (JOBS.jobs, JOBS.turns, JOBS.workers):
            await connection.execute(sa.delete(table))
    return JobDatabase(database)


@pytest.fixture
def keys(database: Database) -> IdempotencyKeys:
    return IdempotencyKeys(database, KEYS)


def notes_app(settings: ServiceSettings, database: Database, keys: IdempotencyKeys) -> FastAPI:
    router = json_router("/notes", "notes")

    @router.post("", status_code=201)
    async def create(note: Note, key: IdempotencyKey = None) -> Response:
        async def work(claim: Claim) -> CreatedAnswer:
            answer = CreatedAnswer(note)
            async with database.transaction() as connection:
                await connection.execute(sa.insert(NOTES).values(id=new_id(), text=note.text))
                await claim.finish(connection, answer)
            return answer

        return await keys.once(key, tenant_id="t", route="POST /notes", content=fingerprint(note), work=work)

    @router.get("/broken")
    async def broken() -> None:
        raise RuntimeError("a defect")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    vitals = Vitals(settings, database, HttpMetrics(CollectorRegistry()))
    return create_service(vitals, title="notes", description="", routers=[router], lifespan=lifespan)


@asynccontextmanager
async def served(settings: ServiceSettings, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    app = notes_app(settings, database, IdempotencyKeys(database, KEYS))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://notes") as opened:
        yield opened


@pytest.fixture
async def client(settings: ServiceSettings, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with served(settings, database) as opened:
        yield opened


@pytest.fixture
async def client_without_database(settings: ServiceSettings) -> AsyncIterator[httpx.AsyncClient]:
    unreachable = settings.model_copy(update={"database_url": SecretStr("postgresql://u:p@127.0.0.1:1/x")})
    database = Database.open(unreachable)
    async with served(unreachable, database) as opened:
        yield opened
    await database.close()


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("SERVICE_NAME", "PORT", "DATABASE_URL", "DATABASE_HOST", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch
