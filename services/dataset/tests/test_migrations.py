"""Migrations, from databases of earlier times."""

import asyncio
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from dataset_service import __file__ as package_file
from pynomaly_chassis.database import sqlalchemy_url
from pynomaly_suite.testing import TemporaryPostgres

_DATASET = """
    INSERT INTO datasets (id, tenant_id, name, version, n_rows, columns, target_column, sha256, size_bytes, object_key)
    VALUES (gen_random_uuid(), 't', $1, '2', 1, '[]', 'label', '', 1, $1)
"""
_EARLIER = """
    INSERT INTO earlier_versions (dataset_id, version, tenant_id, n_rows, columns, sha256, size_bytes, object_key,
        created_at)
    SELECT id, '1', tenant_id, 1, $2, '', 1, name || '-1', now() FROM datasets WHERE name = $1
"""


def upgrade(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(package_file).parent / "migrations"))
    config.attributes["url"] = sqlalchemy_url(url)
    command.upgrade(config, revision)


def test_versions_of_before_targets_were_kept_have_the_newest_ones_where_they_have_its_column(
    postgres: TemporaryPostgres,
) -> None:
    url = postgres.database("dataset").owner_url

    async def fill() -> None:
        connection = await asyncpg.connect(url)
        for name, columns in (("labelled", '[{"name": "label", "type": "integer"}]'), ("other", '[{"name": "x"}]')):
            await connection.execute(_DATASET, name)
            await connection.execute(_EARLIER, name, columns)
        await connection.close()

    async def targets() -> dict[str, str | None]:
        connection = await asyncpg.connect(url)
        found = await connection.fetch("SELECT object_key, target_column FROM earlier_versions")
        await connection.close()
        return dict(map(tuple, found))

    upgrade(url, "0003")
    asyncio.run(fill())
    upgrade(url, "head")
    assert asyncio.run(targets()) == {"labelled-1": "label", "other-1": None}
