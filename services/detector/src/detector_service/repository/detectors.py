"""Statements on detectors."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pynomaly_chassis.ids import new_id
from pynomaly_chassis.problems import NameTaken
from pynomaly_contracts.base import is_reference
from pynomaly_contracts.detectors import Detector, DetectorCreate
from pynomaly_contracts.problems import FieldProblem
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from detector_service.errors import DetectorNotFound
from detector_service.tables import detectors


class DetectorRows:
    """Detectors of one tenant at a time; those that are deleted are never seen."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, tenant_id: str, wanted: DetectorCreate, cloned_from: UUID | None = None) -> Detector:
        """Store a new detector. Raises NameTaken."""
        values = {
            **wanted.model_dump(),
            "id": new_id(),
            "tenant_id": tenant_id,
            "cloned_from": cloned_from,
            "created_at": sa.func.now(),
            "updated_at": sa.func.now(),
        }
        statement = sa.insert(detectors).values(values).returning(detectors)
        try:
            row = (await self._connection.execute(statement)).one()
        except IntegrityError as error:
            if "detectors_name" not in str(error.orig):
                raise
            message = f"a detector is named {wanted.name!r} already; choose another name"
            wrong = FieldProblem(field="body.name", value=wanted.name, message=message)
            raise NameTaken(f"body.name: {message}", errors=[wrong]) from error
        return _detector(row)

    async def get(self, tenant_id: str, ref: str, *, field: str = "path.detector") -> Detector:
        """By id or name. field: where it was named. Raises DetectorNotFound."""
        statement = sa.select(detectors).where(_is(tenant_id, ref))
        return _found((await self._connection.execute(statement)).one_or_none(), ref, field)

    async def page(self, tenant_id: str, *, limit: int, before: UUID | None) -> list[Detector]:
        """Up to `limit` detectors, newest first."""
        statement = sa.select(detectors).where(detectors.c.tenant_id == tenant_id, detectors.c.deleted_at.is_(None))
        if before is not None:
            statement = statement.where(detectors.c.id < before)
        rows = await self._connection.execute(statement.order_by(detectors.c.id.desc()).limit(limit))
        return [_detector(row) for row in rows]

    async def update(self, tenant_id: str, detector_id: UUID, changes: Mapping[str, Any]) -> Detector:
        """Change some columns. Raises DetectorNotFound."""
        statement = (
            sa.update(detectors)
            .where(_is(tenant_id, str(detector_id)))
            .values(**changes, updated_at=sa.func.now())
            .returning(detectors)
        )
        return _found((await self._connection.execute(statement)).one_or_none(), str(detector_id))

    async def delete(self, tenant_id: str, ref: str) -> None:
        """Leave a tombstone. Raises DetectorNotFound."""
        statement = sa.update(detectors).where(_is(tenant_id, ref)).values(deleted_at=sa.func.now())
        if (await self._connection.execute(statement)).rowcount == 0:
            raise _missing(ref)

    async def mark_trained(self, tenant_id: str, detector_id: UUID, model_id: UUID, version: str) -> None:
        """Note a version, unless a later one is noted: two trainings may end in either order."""
        known = detectors.c.latest_version
        is_news = sa.or_(
            known.is_(None), detectors.c.model_id != model_id, sa.cast(known, sa.BigInteger) < int(version)
        )
        statement = (
            sa.update(detectors)
            .where(detectors.c.tenant_id == tenant_id, detectors.c.id == detector_id, is_news)
            .values(model_id=model_id, latest_version=version, updated_at=sa.func.now())
        )
        await self._connection.execute(statement)


def _is(tenant_id: str, ref: str) -> sa.ColumnElement[bool]:
    alive = sa.and_(detectors.c.tenant_id == tenant_id, detectors.c.deleted_at.is_(None))
    try:
        return sa.and_(alive, detectors.c.id == UUID(ref))
    except ValueError:
        # What cannot be a name is not asked for: PostgreSQL refuses some of it, NUL for one.
        return sa.and_(alive, detectors.c.name == ref) if is_reference(ref) else sa.false()


def _found(row: sa.Row[Any] | None, ref: str, field: str = "path.detector") -> Detector:
    if row is None:
        raise _missing(ref, field)
    return _detector(row)


def _missing(ref: str, field: str = "path.detector") -> DetectorNotFound:
    message = "no detector has this id or name"
    return DetectorNotFound(f"{message}: {ref!r}", errors=[FieldProblem(field=field, value=ref, message=message)])


def _detector(row: sa.Row[Any]) -> Detector:
    state = "untrained" if row.latest_version is None else "trained"
    return Detector.model_validate({**row._mapping, "state": state})  # noqa: SLF001 - SQLAlchemy's public reader
