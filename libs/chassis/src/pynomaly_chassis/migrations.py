"""Alembic, run as a step before start and never inside it.

A service's migrations/env.py is two lines: `from pynomaly_chassis.migrations import run_migrations` and
`run_migrations(metadata)`.
"""

import asyncio
from pathlib import Path

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, MetaData, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from pynomaly_chassis.database import sqlalchemy_url
from pynomaly_chassis.settings import ServiceSettings

# Two migrating processes wait for each other; the number is arbitrary and the same in every service's database.
MIGRATION_LOCK = 7_406_001


def migrate(settings: ServiceSettings, migrations: Path) -> None:
    """Bring the database of `settings` to the newest revision found in the folder `migrations`."""
    url = (settings.migration_database_url or settings.database_url).get_secret_value()
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.attributes["url"] = sqlalchemy_url(url)
    command.upgrade(config, "head")


def run_migrations(metadata: MetaData) -> None:
    """The body of every env.py."""
    asyncio.run(_upgrade(context.config.attributes["url"], metadata))


async def _upgrade(url: str, metadata: MetaData) -> None:
    engine = create_async_engine(url, poolclass=pool.NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            await connection.run_sync(_run, metadata)
    finally:
        await engine.dispose()


def _run(connection: Connection, metadata: MetaData) -> None:
    context.configure(connection=connection, target_metadata=metadata)
    context.run_migrations()
