"""What PostgreSQL says, as the rest of a service hears it."""

from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from pynomaly_chassis.database import Database, DatabaseUnavailable
from pynomaly_chassis.settings import ServiceSettings
from sqlalchemy.exc import DBAPIError


@pytest.fixture
async def nowhere(settings: ServiceSettings) -> AsyncIterator[Database]:
    """A server that answers, and refuses the connection."""
    url = settings.database_url.get_secret_value().replace("?host=", "_that_is_not_there?host=")
    opened = Database.open(settings.model_copy(update={"database_url": SecretStr(url)}))
    yield opened
    await opened.close()


async def fail(database: Database, sqlstate: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(sa.text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{sqlstate}'; END $$"))


@pytest.mark.parametrize(
    "sqlstate",
    ["53100", "53300", "57P01", "57P03", "57014", "55P03", "40001", "40P01", "25006"],
)
async def test_a_server_that_will_not_now_is_said_to_be_unavailable(database: Database, sqlstate: str) -> None:
    with pytest.raises(DatabaseUnavailable) as refused:
        await fail(database, sqlstate)
    assert refused.value.headers == {"retry-after": "1"}


async def test_a_defect_of_ours_is_not_said_to_be_unavailable(database: Database) -> None:
    with pytest.raises(DBAPIError, match="x"):
        await fail(database, "22012")


async def test_a_server_that_refuses_connections_is_unavailable_and_unhealthy(nowhere: Database) -> None:
    with pytest.raises(DatabaseUnavailable):
        await fail(nowhere, "22012")
    assert (await nowhere.health()).status == "failed"
