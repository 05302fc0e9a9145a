"""Which versions every replica is to have in memory: the desired state."""

from uuid import UUID

import sqlalchemy as sa
from pynomaly_contracts.models import Desired, Model
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from model_service.records import StoredVersion, WantedVersion
from model_service.repository.versions import STORED, stored_of
from model_service.tables import LOADS, MODELS, VERSIONS


class LoadRows:
    """One row per version that is loaded or pinned."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def load(self, version: StoredVersion) -> None:
        """Keep it in memory until its model is unloaded; one that is pinned stays pinned."""
        await self._connection.execute(_wanted(version).on_conflict_do_nothing())

    async def pin(self, version: StoredVersion) -> None:
        """Keep it in memory until it is unpinned."""
        upsert = _wanted(version, pinned=True)
        await self._connection.execute(
            upsert.on_conflict_do_update(index_elements=["version_id"], set_={"pinned": True})
        )

    async def unpin(self, version: StoredVersion) -> None:
        """It may leave memory; one that was not pinned stays as it was."""
        await self._connection.execute(sa.delete(LOADS).where(LOADS.c.version_id == version.id, LOADS.c.pinned))

    async def unload(self, tenant_id: str, model: Model) -> None:
        """No version of the model has to be in memory, but those that are pinned."""
        here = sa.and_(LOADS.c.tenant_id == tenant_id, LOADS.c.model_id == model.id)
        await self._connection.execute(sa.delete(LOADS).where(here, ~LOADS.c.pinned))

    async def desired(self, version_id: UUID) -> Desired:
        """What is wanted of one version."""
        pinned = await self._connection.scalar(sa.select(LOADS.c.pinned).where(LOADS.c.version_id == version_id))
        return "on_demand" if pinned is None else "pinned" if pinned else "loaded"

    async def pinned(self, model: Model) -> list[int]:
        """The numbers of the versions that are pinned."""
        query = sa.select(VERSIONS.c.number).join(LOADS, LOADS.c.version_id == VERSIONS.c.id)
        query = query.where(LOADS.c.model_id == model.id, LOADS.c.pinned)
        return sorted(await self._connection.scalars(query))

    async def all(self) -> list[WantedVersion]:
        """Of all tenants, those that are pinned first."""
        query = (
            sa.select(*STORED, MODELS.c.name, LOADS.c.pinned)
            .join(LOADS, LOADS.c.version_id == VERSIONS.c.id)
            .join(MODELS, MODELS.c.id == VERSIONS.c.model_id)
            .where(MODELS.c.deleted_at.is_(None), VERSIONS.c.deleted_at.is_(None))
            .order_by(LOADS.c.pinned.desc(), VERSIONS.c.id)
        )
        return [WantedVersion(stored_of(row, row.name), row.pinned) for row in await self._connection.execute(query)]


def _wanted(version: StoredVersion, *, pinned: bool = False) -> "sa.dialects.postgresql.Insert":
    values = {"tenant_id": version.tenant_id, "model_id": version.model_id, "version_id": version.id}
    return insert(LOADS).values(**values, pinned=pinned)
