"""A dataset service over a real PostgreSQL and a real folder, in process."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from dataset_service import __file__ as package_file
from dataset_service.app import create_app
from dataset_service.settings import Settings
from fastapi import FastAPI
from pydantic import SecretStr
from pynomaly_chassis.migrations import migrate
from pynomaly_suite.postgres import DatabaseUrls
from pynomaly_suite.testing import TemporaryPostgres

Upload = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture(scope="session")
def migrated(postgres: TemporaryPostgres) -> DatabaseUrls:
    urls = postgres.database("dataset")
    migrate(
        Settings(database_url=SecretStr(urls.owner_url), storage_path=Path()), Path(package_file).parent / "migrations"
    )
    return urls


@pytest.fixture
async def database(migrated: DatabaseUrls) -> DatabaseUrls:
    """Migrated and empty."""
    connection = await asyncpg.connect(migrated.owner_url)
    await connection.execute("TRUNCATE datasets, earlier_versions, idempotency_keys, jobs, job_turns, job_workers")
    await connection.close()
    return migrated


@pytest.fixture
def settings(database: DatabaseUrls, tmp_path: Path) -> Settings:
    return Settings(database_url=SecretStr(database.app_url), storage_path=tmp_path / "storage", max_columns=50)


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://dataset") as client:
        yield client


@pytest.fixture
def upload(client: httpx.AsyncClient) -> Upload:
    """`await upload(content, name=..., target_column=...)`."""

    async def send(
        content: bytes,
        *,
        name: str = "table",
        content_type: str = "text/csv",
        headers: dict[str, str] | None = None,
        **fields: Any,
    ) -> httpx.Response:
        files = {"file": ("table.csv", content, content_type)}
        return await client.post(
            "/api/v1/datasets/upload", data={"name": name, **fields}, files=files, headers=headers or {}
        )

    return send


@pytest.fixture
def stored_files(settings: Settings) -> Callable[[], list[str]]:
    """Every file under the storage folder: objects and what is in the making."""

    def listed() -> list[str]:
        root = settings.storage_path
        assert root is not None
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    return listed
