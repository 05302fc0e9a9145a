"""Every SQL statement of the gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import sqlalchemy as sa
from pynomaly_chassis.database import Database
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway_service.tables import DOCUMENTS


class GatewayTransaction:
    """What can be said to the database within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    async def keep_document(self, service: str, document: dict[str, Any]) -> None:
        values = {"document": document, "updated_at": sa.func.now()}
        statement = postgresql.insert(DOCUMENTS).values(service=service, **values)
        await self.connection.execute(statement.on_conflict_do_update(index_elements=["service"], set_=values))

    async def documents(self) -> dict[str, dict[str, Any]]:
        rows = await self.connection.execute(sa.select(DOCUMENTS.c.service, DOCUMENTS.c.document))
        return {row.service: row.document for row in rows}


class GatewayRepository:
    """The gateway's own database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[GatewayTransaction]:
        async with self._database.transaction() as connection:
            yield GatewayTransaction(connection)
