"""PostgreSQL through asyncpg: one engine per process, visible transactions, under a named policy.

One breaker stands before the database. It learns from connections alone: a statement that fails says nothing of the
server's health, and a pool that is used up is our own doing.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Generic, TypeVar

import asyncpg
from pynomaly_contracts.health import DatabaseHealth
from pynomaly_resilience import BreakerPolicy, CallFailed, CallPolicy, Guard, Resilience, RetryPolicy
from pynomaly_resilience.sql import in_transaction
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from pynomaly_chassis.problems import Unavailable
from pynomaly_chassis.resilience import Calls
from pynomaly_chassis.settings import ServiceSettings

_LOST = (OSError, InterfaceError, OperationalError, PoolTimeoutError, TimeoutError)
# SQLSTATEs of a server that will not now, whatever is asked: connection, login, no such database; resources,
# intervention; a standby, a lock, a conflict, a deadlock.
_NOT_NOW = ("08", "28", "3D000", "53", "57", "25006", "55P03", "40001", "40P01")


# A server that was restarted must be found again within seconds, so the breaker never waits for longer.
_BREAKER = BreakerPolicy(failure_rate=None, consecutive_failures=5, open_s=0.5, open_max_s=2.0)
TRANSACTION = CallPolicy(
    attempt_timeout_s=15.0,
    total_timeout_s=45.0,
    attempts=3,
    retry=RetryPolicy(on="failure", wait_s=0.05, wait_max_s=1.0),
    breaker=_BREAKER,
)
NAME = ("database", "transaction")
DATABASE_CALLS: Calls = {NAME: TRANSACTION}
Result = TypeVar("Result")
Statements = TypeVar("Statements")


class DatabaseUnavailable(Unavailable):
    """PostgreSQL does not answer."""

    type, title = "/problems/database-unavailable", "Database is unavailable"


class Database:
    """The service's own database. `resilience` is what the process's calls share."""

    def __init__(self, engine: AsyncEngine, resilience: Resilience) -> None:
        self.engine, self._resilience = engine, resilience
        dependency, operation = NAME
        connected = Guard(
            dependency,
            operation,
            policy=TRANSACTION,
            idempotent=True,
            ignore=(PoolTimeoutError,),
            resilience=resilience,
        )
        self._connect: Callable[[], Awaitable[AsyncConnection]] = connected(self._connect_once)

    @classmethod
    def open(cls, settings: ServiceSettings, resilience: Resilience | None = None) -> "Database":
        """A pool by the settings; no connection is made yet."""
        engine = create_async_engine(
            sqlalchemy_url(settings.database_url.get_secret_value()),
            pool_size=settings.database_pool_size,
            max_overflow=settings.database_max_overflow,
            pool_timeout=settings.database_pool_timeout,
            pool_recycle=settings.database_pool_recycle,
            pool_pre_ping=True,
            hide_parameters=True,  # what callers sent stays out of the log, also where a statement fails
            connect_args=_connect_args(settings.service_name),
        )
        return cls(engine, resilience or Resilience())

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end of the block, rolled back on any exception.

        The connection is asked for again where that fails; the block runs once. Raises DatabaseUnavailable where the
        server cannot be reached or says that it cannot now; a commit whose answer was lost also raises it, so callers
        must be able to run again.
        """
        with _translated():
            async with AsyncExitStack() as stack:
                connection = await self._connect()
                stack.push_async_exit(connection)
                async with connection.begin():
                    yield connection

    async def run(self, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
        """`await work(connection)` in a transaction, all of it again after a deadlock or a connection lost before the
        commit; so `work` has no effect but on the database. Raises DatabaseUnavailable as `transaction` does.
        """
        dependency, operation = NAME
        with _translated():
            return await in_transaction(
                self.engine.begin,
                work,
                operation=operation,
                dependency=dependency,
                policy=TRANSACTION,
                resilience=self._resilience,
            )

    async def _connect_once(self) -> AsyncConnection:
        return await self.engine.connect()

    async def health(self) -> DatabaseHealth:
        """One round trip, with the schema's revision and the pool's use. Past the breaker: it asks the server itself,
        so that a process is ready as soon as the server is.
        """
        began = time.perf_counter()
        try:
            with _translated():
                async with self.engine.begin() as connection:
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


class Transactions(Generic[Statements]):
    """A service's transactions, each with that service's own statements on its connection."""

    def __init__(self, database: Database, statements: Callable[[AsyncConnection], Statements]) -> None:
        self._database, self._statements = database, statements

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Statements]:
        """Committed at the end of the block, rolled back on any exception. Raises DatabaseUnavailable."""
        async with self._database.transaction() as connection:
            yield self._statements(connection)

    async def run(self, work: Callable[[Statements], Awaitable[Result]]) -> Result:
        """`work(tx)` in a transaction, all of it again where PostgreSQL took it back. Raises DatabaseUnavailable."""
        return await self._database.run(lambda connection: work(self._statements(connection)))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except CallFailed as error:
        detail = "the database does not answer; try again"
        raise DatabaseUnavailable(detail, retry_after_s=error.retry_after_s) from error
    except _LOST as error:
        raise DatabaseUnavailable("the database does not answer; try again", retry_after_s=1) from error
    except DBAPIError as error:
        if not (error.connection_invalidated or _sqlstate(error).startswith(_NOT_NOW)):
            raise
        raise DatabaseUnavailable("the database broke off; try again", retry_after_s=1) from error


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
