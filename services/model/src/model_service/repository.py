"""Every SQL statement of the registry."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import orjson
import sqlalchemy as sa
from pynomaly_chassis.database import Database
from pynomaly_chassis.ids import new_id
from pynomaly_chassis.problems import NotFound
from pynomaly_contracts.models import DefaultModel, Model, ModelVersion
from pynomaly_contracts.problems import FieldProblem
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from model_service.errors import NoDefaultModel
from model_service.records import IndexedVersion, NewVersion, StoredVersion, model_of, version_of
from model_service.tables import ALIASES, DEFAULTS, LOADS, MODELS, VERSIONS

CHANGES_CHANNEL = "model_changes"
DEFAULT, LATEST = "default", "latest"
# What cannot be an id, a name, a number or an alias never reaches the database.
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
Result = TypeVar("Result")


class ModelRepository:
    """Begins transactions on the registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["ModelTransaction"]:
        """Committed at the end of the block, rolled back on any exception."""
        async with self._database.transaction() as connection:
            yield ModelTransaction(connection)

    async def run(self, work: Callable[["ModelTransaction"], Awaitable[Result]]) -> Result:
        """`work(tx)` in a transaction, all of it again where PostgreSQL took it back. Raises DatabaseUnavailable."""
        return await self._database.run(lambda connection: work(ModelTransaction(connection)))


class ModelTransaction:
    """Statements in one transaction. A reference is an id or name; of a version: number, id, alias or `latest`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    async def announce(self, tenant_id: str, model_id: UUID, event: str) -> None:
        """Tell every replica, when and only if this commits."""
        payload = orjson.dumps({"tenant_id": tenant_id, "model_id": str(model_id), "event": event}).decode()
        await self.connection.execute(sa.select(sa.func.pg_notify(CHANGES_CHANNEL, payload)))

    async def add_version(self, tenant_id: str, name: str, new: NewVersion) -> ModelVersion:
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
        model_id, number = (await self.connection.execute(counted)).one()
        added = insert(VERSIONS).values(
            id=new_id(), tenant_id=tenant_id, model_id=model_id, number=number, **new._asdict()
        )
        row = (await self.connection.execute(added.returning(VERSIONS))).one()
        return version_of(row, name)

    async def models(self, tenant_id: str, *, before: UUID | None, limit: int) -> list[Model]:
        """Newest first, at most limit + 1."""
        query = _models(tenant_id).order_by(MODELS.c.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(MODELS.c.id < before)
        return [model_of(row) for row in await self.connection.execute(query)]

    async def model(self, tenant_id: str, reference: str) -> Model:
        """Raises NotFound, NoDefaultModel."""
        if reference == DEFAULT:
            reference = str((await self.default(tenant_id)).model_id)
        if _REFERENCE.fullmatch(reference):
            named = MODELS.c.id == model_id if (model_id := as_uuid(reference)) else MODELS.c.name == reference
            row = (await self.connection.execute(_models(tenant_id).where(named))).one_or_none()
            if row is not None:
                return model_of(row)
        raise _not_found("model_id", reference, f"there is no model {reference[:128]!r}")

    async def versions(self, tenant_id: str, model: Model, *, before: UUID | None, limit: int) -> list[ModelVersion]:
        """Newest first, at most limit + 1."""
        query = sa.select(VERSIONS).where(VERSIONS.c.tenant_id == tenant_id, VERSIONS.c.model_id == model.id)
        if before is not None:
            query = query.where(VERSIONS.c.id < before)
        query = query.order_by(VERSIONS.c.id.desc()).limit(limit + 1)
        return [version_of(row, model.name) for row in await self.connection.execute(query)]

    async def index(self, tenant_id: str, limit: int) -> list[IndexedVersion]:
        """At most `limit` versions of all models, by name and number."""
        query = (
            sa.select(MODELS.c.name, VERSIONS.c.number, VERSIONS.c.id.label("version_id"))
            .join(VERSIONS, VERSIONS.c.model_id == MODELS.c.id)
            .where(MODELS.c.tenant_id == tenant_id, MODELS.c.deleted_at.is_(None))
            .order_by(MODELS.c.name, VERSIONS.c.number)
        )
        return [IndexedVersion(*row) for row in await self.connection.execute(query.limit(limit))]

    async def numbers(self, tenant_id: str, model_id: UUID, limit: int) -> list[int]:
        """At most `limit` versions of a model, the latest, in order."""
        here = sa.and_(VERSIONS.c.tenant_id == tenant_id, VERSIONS.c.model_id == model_id)
        query = sa.select(VERSIONS.c.number).where(here).order_by(VERSIONS.c.number.desc()).limit(limit)
        return sorted(await self.connection.scalars(query))

    async def version(self, tenant_id: str, model_ref: str | None, version_ref: str | None) -> StoredVersion:
        """model_ref None: the tenant's default. version_ref None: what the default says, else the latest.

        Raises NotFound, NoDefaultModel.
        """
        if model_ref in (None, DEFAULT):
            default = await self.default(tenant_id)
            model_ref, version_ref = str(default.model_id), version_ref or default.version
        model = await self.model(tenant_id, model_ref)
        version_ref = version_ref or LATEST
        query = sa.select(VERSIONS).where(VERSIONS.c.tenant_id == tenant_id, VERSIONS.c.model_id == model.id)
        row = None
        if _REFERENCE.fullmatch(version_ref):
            row = (await self.connection.execute(query.where(_is_version(model, version_ref)))).one_or_none()
        if row is None:
            message = f"model {model.name!r} has no version {version_ref[:128]!r}"
            raise _not_found("version", version_ref, message)
        return StoredVersion(version_of(row, model.name), tenant_id, row.object_key)

    async def delete_model(self, tenant_id: str, model: Model) -> None:
        """A tombstone: the name is free at once, bytes are collected later."""
        gone = sa.update(MODELS).where(MODELS.c.tenant_id == tenant_id, MODELS.c.id == model.id)
        await self.connection.execute(gone.values(deleted_at=sa.func.now()))
        for table in (DEFAULTS, LOADS):
            here = sa.and_(table.c.tenant_id == tenant_id, table.c.model_id == model.id)
            await self.connection.execute(sa.delete(table).where(here))

    async def put_alias(self, tenant_id: str, alias: str, version: ModelVersion) -> None:
        """Point the alias at the version."""
        upsert = insert(ALIASES).values(
            tenant_id=tenant_id, model_id=version.model_id, alias=alias, version_id=version.id
        )
        keys = ["model_id", "alias"]
        await self.connection.execute(
            upsert.on_conflict_do_update(index_elements=keys, set_={"version_id": version.id})
        )

    async def delete_alias(self, tenant_id: str, model: Model, alias: str) -> None:
        """Raises NotFound."""
        here = sa.and_(ALIASES.c.tenant_id == tenant_id, ALIASES.c.model_id == model.id, ALIASES.c.alias == alias)
        if (await self.connection.execute(sa.delete(ALIASES).where(here))).rowcount == 0:
            raise _not_found("alias", alias, f"model {model.name!r} has no alias {alias!r}")

    async def default(self, tenant_id: str) -> DefaultModel:
        """Raises NoDefaultModel."""
        query = (
            sa.select(DEFAULTS.c.model_id, MODELS.c.name.label("model_name"), DEFAULTS.c.version)
            .join(MODELS, MODELS.c.id == DEFAULTS.c.model_id)
            .where(DEFAULTS.c.tenant_id == tenant_id, MODELS.c.deleted_at.is_(None))
        )
        row = (await self.connection.execute(query)).one_or_none()
        if row is None:
            raise NoDefaultModel(
                "there is no default model: send model_id, or choose one with PUT /api/v1/models/default"
            )
        return DefaultModel.model_validate(row, from_attributes=True)

    async def put_default(self, tenant_id: str, model: Model, version: str | None) -> None:
        """What predict without model_id uses from now on."""
        upsert = insert(DEFAULTS).values(tenant_id=tenant_id, model_id=model.id, version=version)
        values = {"model_id": model.id, "version": version}
        await self.connection.execute(upsert.on_conflict_do_update(index_elements=["tenant_id"], set_=values))

    async def delete_default(self, tenant_id: str) -> None:
        """No default from now on."""
        await self.connection.execute(sa.delete(DEFAULTS).where(DEFAULTS.c.tenant_id == tenant_id))

    async def add_load(self, tenant_id: str, version: ModelVersion) -> None:
        """Every replica is to keep this version in memory."""
        wanted = insert(LOADS).values(tenant_id=tenant_id, model_id=version.model_id, version_id=version.id)
        await self.connection.execute(wanted.on_conflict_do_nothing())

    async def remove_loads(self, tenant_id: str, model: Model) -> None:
        """No replica has to keep any version of the model."""
        here = sa.and_(LOADS.c.tenant_id == tenant_id, LOADS.c.model_id == model.id)
        await self.connection.execute(sa.delete(LOADS).where(here))

    async def loads(self) -> list[StoredVersion]:
        """What every replica is to keep in memory, for all tenants."""
        query = (
            sa.select(VERSIONS, MODELS.c.name)
            .join(LOADS, LOADS.c.version_id == VERSIONS.c.id)
            .join(MODELS, MODELS.c.id == VERSIONS.c.model_id)
            .where(MODELS.c.deleted_at.is_(None))
        )
        rows = await self.connection.execute(query)
        return [StoredVersion(version_of(row, row.name), row.tenant_id, row.object_key) for row in rows]

    async def known_keys(self, object_keys: Sequence[str]) -> set[str]:
        """Those of the keys that a row names."""
        query = sa.select(VERSIONS.c.object_key).where(VERSIONS.c.object_key.in_(object_keys))
        return set(await self.connection.scalars(query))

    async def expired_keys(self, kept: timedelta) -> list[str]:
        """Keys of models that were deleted longer ago than `kept`."""
        query = sa.select(VERSIONS.c.object_key).join(MODELS, MODELS.c.id == VERSIONS.c.model_id)
        return list(await self.connection.scalars(query.where(_expired(kept))))

    async def forget_expired(self, kept: timedelta, object_keys: Sequence[str]) -> None:
        """Remove the rows whose bytes are gone, and tombstones that have none left."""
        await self.connection.execute(sa.delete(VERSIONS).where(VERSIONS.c.object_key.in_(object_keys)))
        has_versions = sa.exists().where(VERSIONS.c.model_id == MODELS.c.id)
        await self.connection.execute(sa.delete(MODELS).where(_expired(kept), ~has_versions))


def as_uuid(reference: str) -> UUID | None:
    """The UUID that the text spells, if it spells one."""
    try:
        return UUID(reference)
    except ValueError:
        return None


def _not_found(field: str, reference: str, message: str) -> NotFound:
    return NotFound(message, errors=[FieldProblem(field=field, message=message, value=reference)])


def _expired(kept: timedelta) -> sa.ColumnElement[bool]:
    return MODELS.c.deleted_at < sa.func.now() - kept


def _is_version(model: Model, reference: str) -> sa.ColumnElement[bool]:
    if reference == LATEST:
        return VERSIONS.c.number == int(model.latest_version or 0)
    if _NUMBER.fullmatch(reference):
        return VERSIONS.c.number == int(reference)
    if version_id := as_uuid(reference):
        return VERSIONS.c.id == version_id
    named = sa.and_(ALIASES.c.model_id == model.id, ALIASES.c.alias == reference)
    return VERSIONS.c.id == sa.select(ALIASES.c.version_id).where(named).scalar_subquery()


def _models(tenant_id: str) -> sa.Select[Any]:
    number = sa.cast(VERSIONS.c.number, sa.Text)
    aliases = (
        sa.select(sa.func.jsonb_object_agg(ALIASES.c.alias, number))
        .join(VERSIONS, VERSIONS.c.id == ALIASES.c.version_id)
        .where(ALIASES.c.model_id == MODELS.c.id)
        .scalar_subquery()
    )
    is_default = sa.exists().where(DEFAULTS.c.tenant_id == tenant_id, DEFAULTS.c.model_id == MODELS.c.id)
    query = sa.select(MODELS, aliases.label("aliases"), is_default.label("is_default"))
    return query.where(MODELS.c.tenant_id == tenant_id, MODELS.c.deleted_at.is_(None))
