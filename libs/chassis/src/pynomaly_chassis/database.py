"""PostgreSQL through asyncpg: one engine per process, visible transactions."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from pynomaly_contracts.health import DatabaseHealth
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from pynomaly_chassis.problems import Unavailable
from pynomaly_chassis.settings import ServiceSettings

_LOST = (OSError, InterfaceError, OperationalError, PoolTimeoutError, TimeoutError)
# SQLSTATEs of a server that will not now, whatever is asked: connection, login, no such database; resources,
# intervention; a standby, a lock, a conflict, a deadlock.
_NOT_NOW = ("08", "28", "3D000", "53", "57", "25006", "55P03", "40001", "40P01")


class DatabaseUnavailable(Unavailable):
    """PostgreSQL does not answer."""

    type, title = "/problems/database-unavailable", "Database is unavailable"


class Database:
    """The service's own database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, settings: ServiceSettings) -> "Database":
        """A pool by the settings; no connection is made yet."""
        engine = create_async_engine(
            sqlalchemy_url(settings.database_url.get_secret_value()),
            pool_size=settings.database_pool_size,
            max_overflow=settings.database_max_overflow,
            pool_timeout=settings.database_pool_timeout,
            pool_recycle=settings.database_pool_recycle,
            pool_pre_ping=True,
            connect_args=_connect_args(settings.service_name),
        )
        return cls(engine)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end of the block, rolled back on any exception.

        Raises DatabaseUnavailable where the server cannot be reached or says that it cannot now; a commit whose
        answer was lost also raises it, so callers must be able to run again.
        """
        try:
            async with self.engine.begin() as connection:
                yield connection
        except _LOST as error:
            raise DatabaseUnavailable("the database does not answer; try again", retry_after_s=1) from error
        except DBAPIError as error:
            if not (error.connection_invalidated or _sqlstate(error).startswith(_NOT_NOW)):
                raise
            raise DatabaseUnavailable("the database broke off; try again", retry_after_s=1) from error

    async def health(self) -> DatabaseHealth:
        """One round trip, with the schema's revision and the pool's use."""
        began = time.perf_counter()
        try:
            async with self.transaction() as connection:
                revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        except (DatabaseUnavailable, DBAPIError):
            return DatabaseHealth(status="failed", **self.pool_use())
        elapsed_ms = (time.perf_counter() - began) * 1000
        return DatabaseHealth(status="ok", latency_ms=round(elapsed_ms, 3), schema_revision=revision, **self.pool_use())

    def pool_use(self) -> dict[str, Any]:
        """Connections in use and the most there can be."""
        pool = self.engine.pool
        if not isinstance(pool, QueuePool):
            return {"connections_active": 0, "connections_max": 0}
        return {"connections_active": pool.checkedout(), "connections_max": pool.size() + pool._max_overflow}  # noqa: SLF001 - SQLAlchemy offers no reader

    async def close(self) -> None:
        """Close every pooled connection."""
        await self.engine.dispose()


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


async def connect_raw(url: str, *, application_name: str) -> asyncpg.Connection:
    """A connection outside the pool, for LISTEN."""
    return await asyncpg.connect(url, server_settings={"application_name": application_name}, timeout=5)


def sqlalchemy_url(url: str) -> str:
    """The URL as SQLAlchemy's asyncpg dialect wants it."""
    return url.replace("postgresql://", "postgresql+asyncpg://", 1)


def _connect_args(application_name: str) -> dict[str, Any]:
    return {
        "timeout": 5,
        "command_timeout": 60,
        "server_settings": {
            "application_name": application_name,
            "timezone": "UTC",
            "idle_in_transaction_session_timeout": "60000",
            "lock_timeout": "10000",
        },
    }
