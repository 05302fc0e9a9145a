"""Rows whose bytes nobody needs."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from model_service.tables import MODELS, VERSIONS


class ExpiredRows:
    """Tombstones that were put up longer ago than `kept`, of models and of versions."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def known(self, object_keys: Sequence[str]) -> set[str]:
        """Those of the keys that a row names."""
        query = sa.select(VERSIONS.c.object_key).where(VERSIONS.c.object_key.in_(object_keys))
        return set(await self._connection.scalars(query))

    async def keys(self, kept: timedelta) -> list[str]:
        """Where the bytes are that may go."""
        of_models = sa.select(VERSIONS.c.object_key).join(MODELS, MODELS.c.id == VERSIONS.c.model_id)
        of_versions = sa.select(VERSIONS.c.object_key).where(VERSIONS.c.deleted_at < sa.func.now() - kept)
        query = of_models.where(_expired(kept)).union(of_versions)
        return list(await self._connection.scalars(query))

    async def forget(self, kept: timedelta, object_keys: Sequence[str]) -> None:
        """Remove the rows whose bytes are gone, and models that have none left."""
        await self._connection.execute(sa.delete(VERSIONS).where(VERSIONS.c.object_key.in_(object_keys)))
        has_versions = sa.exists().where(VERSIONS.c.model_id == MODELS.c.id)
        await self._connection.execute(sa.delete(MODELS).where(_expired(kept), ~has_versions))


def _expired(kept: timedelta) -> sa.ColumnElement[bool]:
    return MODELS.c.deleted_at < sa.func.now() - kept
