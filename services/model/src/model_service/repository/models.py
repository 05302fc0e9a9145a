"""Models: lines of versions."""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pynomaly_contracts.models import Model
from sqlalchemy.ext.asyncio import AsyncConnection

from model_service.records import model_of
from model_service.repository.defaults import DefaultRows
from model_service.repository.references import DEFAULT, as_uuid, is_reference, not_found
from model_service.tables import ALIASES, DEFAULTS, LOADS, MODELS, VERSIONS


class ModelRows:
    """A reference is an id, a name or `default`."""

    def __init__(self, connection: AsyncConnection, defaults: DefaultRows) -> None:
        self._connection, self._defaults = connection, defaults

    async def page(self, tenant_id: str, *, before: UUID | None, limit: int) -> list[Model]:
        """Newest first, at most limit + 1."""
        query = _models(tenant_id).order_by(MODELS.c.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(MODELS.c.id < before)
        return [model_of(row) for row in await self._connection.execute(query)]

    async def get(self, tenant_id: str, reference: str) -> Model:
        """Raises NotFound, NoDefaultModel."""
        if reference == DEFAULT:
            reference = str((await self._defaults.get(tenant_id)).model_id)
        if is_reference(reference):
            named = MODELS.c.id == model_id if (model_id := as_uuid(reference)) else MODELS.c.name == reference
            row = (await self._connection.execute(_models(tenant_id).where(named))).one_or_none()
            if row is not None:
                return model_of(row)
        raise not_found("model_id", reference, f"there is no model {reference[:128]!r}")

    async def locked(self, tenant_id: str, reference: str) -> Model:
        """As `get`, and nobody else changes what points at its versions until the end of the transaction."""
        found = await self.get(tenant_id, reference)
        here = sa.and_(MODELS.c.tenant_id == tenant_id, MODELS.c.id == found.id)
        # Rows that refer to the model may be added by others meanwhile; they lock as we do where it matters.
        await self._connection.execute(sa.select(MODELS.c.id).where(here).with_for_update(key_share=True))
        return await self.get(tenant_id, str(found.id))  # as it is now that nobody changes it

    async def delete(self, tenant_id: str, model: Model) -> None:
        """A tombstone: the name is free at once, bytes are collected later. The row is locked."""
        gone = sa.update(MODELS).where(MODELS.c.tenant_id == tenant_id, MODELS.c.id == model.id)
        await self._connection.execute(gone.values(deleted_at=sa.func.now()))
        here = sa.and_(LOADS.c.tenant_id == tenant_id, LOADS.c.model_id == model.id)
        await self._connection.execute(sa.delete(LOADS).where(here))


def _models(tenant_id: str) -> sa.Select[Any]:
    number = sa.cast(VERSIONS.c.number, sa.Text)
    aliases = (
        sa.select(sa.func.jsonb_object_agg(ALIASES.c.alias, number))
        .join(VERSIONS, VERSIONS.c.id == ALIASES.c.version_id)
        .where(ALIASES.c.model_id == MODELS.c.id)
        .scalar_subquery()
    )
    live = sa.and_(VERSIONS.c.model_id == MODELS.c.id, VERSIONS.c.deleted_at.is_(None))
    latest = sa.select(sa.func.max(VERSIONS.c.number)).where(live).scalar_subquery()
    is_default = sa.exists().where(DEFAULTS.c.tenant_id == tenant_id, DEFAULTS.c.model_id == MODELS.c.id)
    query = sa.select(MODELS, latest.label("latest"), aliases.label("aliases"), is_default.label("is_default"))
    return query.where(MODELS.c.tenant_id == tenant_id, MODELS.c.deleted_at.is_(None))
