"""Every SQL statement of the registry.

Whoever changes what points at a model's versions, or removes one, locks the model's row first (`ModelRows.locked`), so
that no alias, default or pin is ever left pointing at nothing.
"""

from uuid import UUID

import orjson
import sqlalchemy as sa
from pynomaly_chassis.database import Database, Transactions
from sqlalchemy.ext.asyncio import AsyncConnection

from model_service.repository.aliases import AliasRows
from model_service.repository.defaults import DefaultRows
from model_service.repository.loads import LoadRows
from model_service.repository.models import ModelRows
from model_service.repository.references import DEFAULT, LATEST
from model_service.repository.sweeping import ExpiredRows
from model_service.repository.versions import VersionRows

__all__ = ["CHANGES_CHANNEL", "DEFAULT", "LATEST", "ModelRepository", "ModelTransaction"]

CHANGES_CHANNEL = "model_changes"


class ModelTransaction:
    """One transaction, with its statements by noun."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.defaults = DefaultRows(connection)
        self.models = ModelRows(connection, self.defaults)
        self.versions = VersionRows(connection, self.models, self.defaults)
        self.aliases = AliasRows(connection)
        self.loads = LoadRows(connection)
        self.expired = ExpiredRows(connection)

    async def announce(self, tenant_id: str, model_id: UUID, event: str, **more: UUID) -> None:
        """Tell every replica, when and only if this commits."""
        said = {"tenant_id": tenant_id, "model_id": model_id, "event": event, **more}
        payload = orjson.dumps(said, default=str).decode()  # asyncpg's UUIDs are its own
        await self.connection.execute(sa.select(sa.func.pg_notify(CHANGES_CHANNEL, payload)))


class ModelRepository(Transactions[ModelTransaction]):
    """Begins transactions on the registry."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, ModelTransaction)
