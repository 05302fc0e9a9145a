"""Every SQL statement of the dataset service."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pynomaly_chassis.database import Database, Transactions
from pynomaly_chassis.jobs import JobQueue
from pynomaly_chassis.problems import NameTaken
from pynomaly_contracts.datasets import Column, Dataset, DatasetVersion, SourceFile, VersionChanges, VersionMode
from pynomaly_contracts.problems import FieldProblem
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from dataset_service.errors import DatasetChanged, DatasetNotFound, VersionNotFound
from dataset_service.tables import IMPORTS, NAME_INDEX, datasets, earlier_versions

_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
_NUMERIC = ("integer", "number")
_OF_A_VERSION = (
    *("version", "n_rows", "columns", "target_column", "sha256"),
    *("size_bytes", "source", "object_key", "made_by"),
)


@dataclass(frozen=True)
class NewDataset:
    """A row to be."""

    id: UUID
    tenant_id: str
    name: str
    n_rows: int
    columns: Sequence[Column]
    target_column: str | None
    sha256: str
    size_bytes: int
    object_key: str
    description: str | None = None
    source_dataset_id: UUID | None = None
    source: SourceFile | None = None
    version: str = "1"


@dataclass(frozen=True)
class NewVersion:
    """What takes the place of a data set's newest version."""

    n_rows: int
    columns: Sequence[Column]
    sha256: str
    size_bytes: int
    source: SourceFile
    object_key: str
    made_by: VersionMode


@dataclass(frozen=True)
class StoredDataset:
    """A data set and where its bytes are."""

    dataset: Dataset
    object_key: str


class DatasetRepository(Transactions["Transaction"]):
    """The data sets' rows."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, Transaction)


class Transaction:
    """The statements, inside one transaction. Deleted data sets are not there, but for the collector."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection

    @property
    def queue(self) -> JobQueue:
        """What workers do with imports."""
        return JobQueue(self.connection, IMPORTS)

    async def insert(self, new: NewDataset, *, asked_by: str = "body.name") -> Dataset:
        """asked_by: the request's field that the name comes from. Raises NameTaken (409)."""
        source = None if new.source is None else new.source.model_dump()
        values = asdict(new) | {"columns": [column.model_dump() for column in new.columns], "source": source}
        try:
            result = await self.connection.execute(sa.insert(datasets).values(values).returning(datasets))
        except IntegrityError as error:
            if NAME_INDEX not in str(error.orig):
                raise
            raise _name_taken(new.name, asked_by) from error
        return _dataset(result.one())

    async def find(self, tenant_id: str, reference: str) -> StoredDataset:
        """By id or by name. Raises DatasetNotFound (404)."""
        row = await self._row(tenant_id, reference)
        return StoredDataset(_dataset(row), row.object_key)

    async def _row(self, tenant_id: str, reference: str, *, locked: bool = False) -> sa.Row[Any]:
        statement = sa.select(datasets).where(self._is(tenant_id, reference))
        statement = statement.with_for_update() if locked else statement
        row = (await self.connection.execute(statement)).one_or_none()
        if row is None:
            raise _not_found(reference)
        return row

    async def find_version(self, tenant_id: str, reference: str, version: str | None) -> StoredDataset:
        """As one of its versions has it; None: the newest. Raises DatasetNotFound, VersionNotFound (404)."""
        row = await self._row(tenant_id, reference)
        if version in (None, row.version):
            return StoredDataset(_dataset(row), row.object_key)
        earlier = earlier_versions.c
        statement = sa.select(earlier_versions).where(earlier.dataset_id == row.id, earlier.version == version)
        found = (await self.connection.execute(statement)).one_or_none()
        if found is None:
            raise _no_version(row, str(version))
        return StoredDataset(_dataset(row, found), found.object_key)

    async def versions(self, tenant_id: str, reference: str) -> list[DatasetVersion]:
        """The newest first. Raises DatasetNotFound."""
        row = await self._row(tenant_id, reference)
        statement = sa.select(earlier_versions).where(earlier_versions.c.dataset_id == row.id)
        rows = [row, *(await self.connection.execute(statement))]
        rows.sort(key=lambda each: -int(each.version))
        return [_version(row.id, each, before) for each, before in zip_longest(rows, rows[1:])]

    async def add_version(self, tenant_id: str, before: StoredDataset, new: NewVersion) -> DatasetVersion:
        """Put `new` in the place of `before`. Raises DatasetChanged (409) where that is no longer the newest."""
        dataset = before.dataset
        row = await self._row(tenant_id, str(dataset.id), locked=True)
        _refuse_changed(row, dataset)
        kept = {name: getattr(row, name) for name in _OF_A_VERSION}
        kept |= {"dataset_id": row.id, "tenant_id": tenant_id, "created_at": row.version_created_at or row.created_at}
        await self.connection.execute(sa.insert(earlier_versions).values(kept))
        values = asdict(new) | {"version": str(int(row.version) + 1)}
        values["columns"] = [column.model_dump() for column in new.columns]
        values["source"] = new.source.model_dump()
        now = sa.func.now()
        is_it = datasets.c.id == row.id
        change = sa.update(datasets).where(is_it).values(**values, updated_at=now, version_created_at=now)
        changed = (await self.connection.execute(change.returning(datasets))).one()
        return _version(row.id, changed, row)

    async def refuse_taken(self, tenant_id: str, names: Mapping[str, str]) -> None:
        """names: each with the field that asks for it. Raises NameTaken (409); the index has the last word."""
        taken = sa.select(datasets.c.name).where(self._alive(tenant_id), datasets.c.name.in_(names)).limit(1)
        name = await self.connection.scalar(taken)
        if name is not None:
            raise _name_taken(name, names[name])

    async def page(self, tenant_id: str, *, name_prefix: str | None, before: UUID | None, limit: int) -> list[Dataset]:
        """Newest first: up to limit + 1 of those older than `before`."""
        statement = sa.select(datasets).where(self._alive(tenant_id)).order_by(datasets.c.id.desc()).limit(limit + 1)
        if name_prefix is not None:
            statement = statement.where(datasets.c.name.startswith(name_prefix, autoescape=True))
        if before is not None:
            statement = statement.where(datasets.c.id < before)
        return [_dataset(row) for row in await self.connection.execute(statement)]

    async def update(self, tenant_id: str, dataset: Dataset, changes: Mapping[str, Any]) -> Dataset:
        """changes: new values by column. dataset: as it was when they were checked.

        Raises DatasetNotFound (404), NameTaken, DatasetChanged (409).
        """
        row = await self._row(tenant_id, str(dataset.id), locked=True)
        if "target_column" in changes:
            _refuse_changed(row, dataset)
        values = {**changes, "updated_at": sa.func.now()}
        statement = sa.update(datasets).where(datasets.c.id == row.id).values(values).returning(datasets)
        try:
            return _dataset((await self.connection.execute(statement)).one())
        except IntegrityError as error:
            if NAME_INDEX not in str(error.orig):
                raise
            raise _name_taken(str(changes.get("name")), "body.name") from error

    async def delete(self, tenant_id: str, reference: str) -> None:
        """Leave a tombstone. Raises DatasetNotFound (404)."""
        now = sa.func.now()
        statement = sa.update(datasets).where(self._is(tenant_id, reference)).values(deleted_at=now, updated_at=now)
        if (await self.connection.execute(statement)).rowcount == 0:
            raise _not_found(reference)

    async def known(self, keys: Sequence[str]) -> set[str]:
        """Which of these objects, of any tenant, are some version's."""
        tables = (datasets.c.object_key, earlier_versions.c.object_key)
        found = sa.union_all(*(sa.select(column).where(column.in_(keys)) for column in tables))
        return set(await self.connection.scalars(found))

    async def deleted_before(self, moment: datetime, limit: int) -> dict[UUID, list[str]]:
        """Tombstones of any tenant, oldest first, with the object keys of all their versions."""
        statement = sa.select(datasets.c.id, datasets.c.object_key).where(datasets.c.deleted_at < moment)
        found = await self.connection.execute(statement.order_by(datasets.c.deleted_at).limit(limit))
        keys = {row.id: [row.object_key] for row in found}
        earlier = sa.select(earlier_versions.c.dataset_id, earlier_versions.c.object_key)
        for row in await self.connection.execute(earlier.where(earlier_versions.c.dataset_id.in_(keys))):
            keys[row.dataset_id].append(row.object_key)
        return keys

    async def forget(self, ids: Sequence[UUID]) -> None:
        """Remove tombstones whose bytes are gone."""
        await self.connection.execute(sa.delete(datasets).where(datasets.c.id.in_(ids)))

    def _is(self, tenant_id: str, reference: str) -> sa.ColumnElement[bool]:
        """The one place that tells an id from a name; a name never has the form of an id."""
        try:
            same = datasets.c.id == UUID(reference)
        except ValueError:
            if not _NAME.fullmatch(reference):
                raise _not_found(reference) from None
            same = datasets.c.name == reference
        return sa.and_(self._alive(tenant_id), same)

    @staticmethod
    def _alive(tenant_id: str) -> sa.ColumnElement[bool]:
        return sa.and_(datasets.c.tenant_id == tenant_id, datasets.c.deleted_at.is_(None))


def _name_taken(name: str, field: str) -> NameTaken:
    message = f"a data set is named {name!r} already; choose another name, or delete that one first"
    return NameTaken(message, errors=[FieldProblem(field=field, message=message, value=name)])


def _not_found(reference: str) -> DatasetNotFound:
    message = f"there is no data set {reference[:200]!r}"
    return DatasetNotFound(message, errors=[FieldProblem(field="path.dataset", message=message, value=reference)])


def _refuse_changed(row: sa.Row[Any], known: Dataset) -> None:
    """Raises DatasetChanged where labels were checked of another version, or of another column."""
    if (row.version, row.target_column) != (known.version, known.target_column):
        raise DatasetChanged(f"data set {known.name!r} has changed meanwhile; look at it, then try again")


def _no_version(row: sa.Row[Any], version: str) -> VersionNotFound:
    message = f"data set {row.name!r} has no version {version[:200]!r}; its newest is {row.version!r}"
    return VersionNotFound(message, errors=[FieldProblem(field="query.version", message=message, value=version)])


def _dataset(row: sa.Row[Any], earlier: sa.Row[Any] | None = None) -> Dataset:
    """earlier: the version to show, where it is not the newest."""
    said = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    if earlier is not None:
        said |= {name: getattr(earlier, name) for name in _OF_A_VERSION}
    numeric = [column["name"] for column in said["columns"] if column["type"] in _NUMERIC]
    features = [name for name in numeric if name != said["target_column"]]
    return Dataset.model_validate(said | {"feature_columns": features, "n_features": len(features)})


def _version(dataset_id: UUID, row: sa.Row[Any], before: sa.Row[Any] | None) -> DatasetVersion:
    said = {name: getattr(row, name) for name in _OF_A_VERSION}
    created_at = getattr(row, "version_created_at", None) or row.created_at
    changes = None if before is None else _changes(row, before)
    return DatasetVersion.model_validate(
        {**said, "dataset_id": dataset_id, "created_at": created_at, "changes": changes}
    )


def _changes(row: sa.Row[Any], before: sa.Row[Any]) -> VersionChanges:
    now, then = ({column["name"]: column["type"] for column in each.columns} for each in (row, before))
    return VersionChanges(
        n_rows=row.n_rows - before.n_rows,
        added_columns=[name for name in now if name not in then],
        removed_columns=[name for name in then if name not in now],
        retyped_columns=[name for name in now if name in then and now[name] != then[name]],
    )
