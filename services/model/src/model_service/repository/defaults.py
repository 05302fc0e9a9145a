"""The tenant's default model."""

import sqlalchemy as sa
from pynomaly_contracts.models import DefaultModel, Model
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from model_service.errors import NoDefaultModel
from model_service.tables import DEFAULTS, MODELS


class DefaultRows:
    """One row per tenant, at most."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, tenant_id: str) -> DefaultModel:
        """Raises NoDefaultModel."""
        query = (
            sa.select(DEFAULTS.c.model_id, MODELS.c.name.label("model_name"), DEFAULTS.c.version)
            .join(MODELS, MODELS.c.id == DEFAULTS.c.model_id)
            .where(DEFAULTS.c.tenant_id == tenant_id, MODELS.c.deleted_at.is_(None))
        )
        row = (await self._connection.execute(query)).one_or_none()
        if row is None:
            raise NoDefaultModel(
                "there is no default model: send model_id, or choose one with PUT /api/v1/models/default"
            )
        return DefaultModel.model_validate(row, from_attributes=True)

    async def put(self, tenant_id: str, model: Model, version: str | None) -> None:
        """What predict without model_id uses from now on. The model's row is locked."""
        upsert = insert(DEFAULTS).values(tenant_id=tenant_id, model_id=model.id, version=version)
        values = {"model_id": model.id, "version": version}
        await self._connection.execute(upsert.on_conflict_do_update(index_elements=["tenant_id"], set_=values))

    async def delete(self, tenant_id: str) -> None:
        """No default from now on."""
        await self._connection.execute(sa.delete(DEFAULTS).where(DEFAULTS.c.tenant_id == tenant_id))
