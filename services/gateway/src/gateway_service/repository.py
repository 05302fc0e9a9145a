"""Every SQL statement of the gateway."""

from typing import Any, NamedTuple

import sqlalchemy as sa
from pynomaly_chassis.database import Database, Transactions
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway_service.tables import DOCUMENTS


class KeptDocument(NamedTuple):
    """A service's OpenAPI document, and how long ago the service gave it."""

    document: dict[str, Any]
    age_s: float = 0.0


class GatewayTransaction:
    """What can be said to the database within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    async def keep_document(self, service: str, document: dict[str, Any]) -> None:
        """Remember what a service said just now."""
        values = {"document": document, "updated_at": sa.func.now()}
        statement = postgresql.insert(DOCUMENTS).values(service=service, **values)
        await self.connection.execute(statement.on_conflict_do_update(index_elements=["service"], set_=values))

    async def documents(self) -> dict[str, KeptDocument]:
        """What each service said last."""
        age_s = sa.extract("epoch", sa.func.now() - DOCUMENTS.c.updated_at).label("age_s")
        rows = await self.connection.execute(sa.select(DOCUMENTS.c.service, DOCUMENTS.c.document, age_s))
        return {row.service: KeptDocument(row.document, float(row.age_s)) for row in rows}


class GatewayRepository(Transactions[GatewayTransaction]):
    """The gateway's own database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, GatewayTransaction)
