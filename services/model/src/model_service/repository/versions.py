"""Immutable versions."""

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from pynomaly_chassis.ids import new_id
from pynomaly_contracts.models import Model, ModelVersion
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from model_service.records import IndexedVersion, NewVersion, StoredVersion, version_of
from model_service.repository.defaults import DefaultRows
from model_service.repository.models import ModelRows
from model_service.repository.references import DEFAULT, LATEST, is_reference, is_version, not_found
from model_service.tables import LOADS, MODELS, VERSIONS

_LIVE = VERSIONS.c.deleted_at.is_(None)
_AS_THEY_ARE = ("id", "model_id", "tenant_id", "object_key", "digest", "content_digest", "n_bytes")
STORED = (VERSIONS.c.number, *(VERSIONS.c[name] for name in _AS_THEY_ARE))
"""The columns that `stored_of` reads."""


class VersionRows:
    """A reference to a version is its number, its id, an alias or `latest`."""

    def __init__(self, connection: AsyncConnection, models: ModelRows, defaults: DefaultRows) -> None:
        self._connection, self._models, self._defaults = connection, models, defaults

    async def add(self, tenant_id: str, name: str, new: NewVersion) -> ModelVersion:
        """The model's next version; the model is made with its first.

        The model's row is locked until the end, so that numbers have no gap and no twin.
        """
        values = {"id": new_id(), "tenant_id": tenant_id, "name": name, "latest_version": 1}
        upsert = insert(MODELS).values(values)
        counted = upsert.on_conflict_do_update(
            index_elements=["tenant_id", "name"],
            index_where=MODELS.c.deleted_at.is_(None),
            set_={"latest_version": MODELS.c.latest_version + 1, "updated_at": sa.func.clock_timestamp()},
        ).returning(MODELS.c.id, MODELS.c.latest_version)
        model_id, number = (await self._connection.execute(counted)).one()
        added = insert(VERSIONS).values(
            id=new_id(), tenant_id=tenant_id, model_id=model_id, number=number, **new._asdict()
        )
        row = (await self._connection.execute(added.returning(VERSIONS))).one()
        return version_of(row, name)

    async def page(self, tenant_id: str, model: Model, *, before: UUID | None, limit: int) -> list[ModelVersion]:
        """Newest first, at most limit + 1."""
        query = sa.select(VERSIONS).where(VERSIONS.c.tenant_id == tenant_id, VERSIONS.c.model_id == model.id, _LIVE)
        if before is not None:
            query = query.where(VERSIONS.c.id < before)
        query = query.order_by(VERSIONS.c.id.desc()).limit(limit + 1)
        return [version_of(row, model.name) for row in await self._connection.execute(query)]

    async def index(self, tenant_id: str, limit: int) -> list[IndexedVersion]:
        """At most `limit` versions of all models, by name and number."""
        query = (
            sa.select(MODELS.c.name, VERSIONS.c.number, VERSIONS.c.id.label("version_id"))
            .join(VERSIONS, VERSIONS.c.model_id == MODELS.c.id)
            .where(MODELS.c.tenant_id == tenant_id, MODELS.c.deleted_at.is_(None), _LIVE)
            .order_by(MODELS.c.name, VERSIONS.c.number)
        )
        return [IndexedVersion(*row) for row in await self._connection.execute(query.limit(limit))]

    async def numbers(self, tenant_id: str, model_id: UUID, limit: int) -> list[int]:
        """At most `limit` versions of a model, the latest, in order."""
        here = sa.and_(VERSIONS.c.tenant_id == tenant_id, VERSIONS.c.model_id == model_id, _LIVE)
        query = sa.select(VERSIONS.c.number).where(here).order_by(VERSIONS.c.number.desc()).limit(limit)
        return sorted(await self._connection.scalars(query))

    async def get(self, tenant_id: str, model_ref: str, version_ref: str | None) -> ModelVersion:
        """A version with all that is known of it. Raises NotFound, NoDefaultModel."""
        row = await self._row((VERSIONS,), tenant_id, model_ref, version_ref)
        return version_of(row, row.model_name)

    async def find(self, tenant_id: str, model_ref: str | None, version_ref: str | None) -> StoredVersion:
        """A version for serving. model_ref None: the tenant's default. version_ref None: what the default says, else
        the latest. Raises NotFound, NoDefaultModel.
        """
        row = await self._row(STORED, tenant_id, model_ref, version_ref)
        return stored_of(row, row.model_name)

    async def update(self, version_id: UUID, changes: Mapping[str, Any]) -> None:
        """Other notes or labels."""
        values = {**changes, "updated_at": sa.func.clock_timestamp()}
        await self._connection.execute(sa.update(VERSIONS).where(VERSIONS.c.id == version_id).values(values))

    async def count(self, model: Model) -> int:
        """How many are not deleted."""
        query = sa.select(sa.func.count()).where(VERSIONS.c.model_id == model.id, _LIVE)
        return int((await self._connection.execute(query)).scalar_one())

    async def delete(self, version: StoredVersion) -> None:
        """A tombstone: bytes are collected later. The model's row is locked."""
        await self._connection.execute(sa.delete(LOADS).where(LOADS.c.version_id == version.id))
        gone = sa.update(VERSIONS).where(VERSIONS.c.id == version.id)
        await self._connection.execute(gone.values(deleted_at=sa.func.now()))

    async def _row(
        self, columns: tuple[Any, ...], tenant_id: str, model_ref: str | None, version_ref: str | None
    ) -> sa.Row[Any]:
        if model_ref in (None, DEFAULT):
            default = await self._defaults.get(tenant_id)
            model_ref, version_ref = str(default.model_id), version_ref or default.version
        model = await self._models.get(tenant_id, model_ref)
        version_ref = version_ref or LATEST
        if is_reference(version_ref):
            query = sa.select(*columns, sa.literal(model.name).label("model_name"))
            query = query.where(VERSIONS.c.tenant_id == tenant_id, VERSIONS.c.model_id == model.id, _LIVE)
            row = (await self._connection.execute(query.where(is_version(model, version_ref)))).one_or_none()
            if row is not None:
                return cast("sa.Row[Any]", row)
        message = f"model {model.name!r} has no version {version_ref[:128]!r}"
        raise not_found("version", version_ref, message)


def stored_of(row: Any, model_name: str) -> StoredVersion:
    """A row of the versions, as serving needs it."""
    fields = {name: getattr(row, name) for name in _AS_THEY_ARE}
    return StoredVersion(model_name=model_name, number=str(row.number), **fields)
