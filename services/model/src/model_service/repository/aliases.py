"""Aliases and the history of their moves. Every move is made with the model's row locked."""

from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from pynomaly_chassis.ids import new_id
from pynomaly_contracts.models import Alias, AliasMove, Model
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from model_service.records import StoredVersion, alias_of, move_of
from model_service.tables import ALIASES, MOVES, VERSIONS

BEFORE_HISTORY = "moved by a release that kept no history"


class Mover(NamedTuple):
    """Who moves an alias, and why."""

    tenant_id: str
    reason: str | None


class AliasRows:
    """An alias is a row; each of its moves is another, which names where it was and where it went."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def of(self, model: Model, alias: str | None = None) -> list[Alias]:
        """By name; or the one of this name, if there is one."""
        moves = sa.select(MOVES).where(MOVES.c.model_id == ALIASES.c.model_id, MOVES.c.alias == ALIASES.c.alias)
        last = moves.order_by(MOVES.c.id.desc()).limit(1).lateral("last")
        query = (
            sa.select(
                *(ALIASES.c.alias, ALIASES.c.version_id, VERSIONS.c.number),
                *(last.c[name] for name in ("to_version", "moved_at", "moved_by", "reason")),
            )
            .join(VERSIONS, VERSIONS.c.id == ALIASES.c.version_id)
            .outerjoin(last, sa.true())
            .where(ALIASES.c.model_id == model.id)
        )
        if alias is not None:
            query = query.where(ALIASES.c.alias == alias)
        return [alias_of(row) for row in await self._connection.execute(query.order_by(ALIASES.c.alias))]

    async def move(self, alias: str, version: StoredVersion, before: str | None, mover: Mover) -> None:
        """Point the alias at the version. before: the number that it points at, if there is such an alias."""
        upsert = insert(ALIASES).values(
            tenant_id=version.tenant_id, model_id=version.model_id, alias=alias, version_id=version.id
        )
        keys = ["model_id", "alias"]
        await self._connection.execute(
            upsert.on_conflict_do_update(index_elements=keys, set_={"version_id": version.id})
        )
        await self._record(version.model_id, alias, before, version.number, mover)

    async def delete(self, model: Model, alias: str, before: str, mover: Mover) -> None:
        """No such alias from now on; its history stays."""
        here = sa.and_(ALIASES.c.model_id == model.id, ALIASES.c.alias == alias)
        await self._connection.execute(sa.delete(ALIASES).where(here))
        await self._record(model.id, alias, before, None, mover)

    async def history(self, model: Model, alias: str, *, before: UUID | None, limit: int) -> list[AliasMove]:
        """Newest first, at most limit + 1; none where there was never such an alias."""
        query = sa.select(MOVES).where(MOVES.c.model_id == model.id, MOVES.c.alias == alias)
        if before is not None:
            query = query.where(MOVES.c.id < before)
        query = query.order_by(MOVES.c.id.desc()).limit(limit + 1)
        return [move_of(row) for row in await self._connection.execute(query)]

    async def _record(self, model_id: UUID, alias: str, before: str | None, after: str | None, mover: Mover) -> None:
        where = {"tenant_id": mover.tenant_id, "model_id": model_id, "alias": alias}
        last = await self._last(model_id, alias)
        if last.to_version != before:  # the release before this one may run beside it, and writes no history
            steps = {"from_version": _number(last.to_version), "to_version": _number(before)}
            last = _Last(_after(last.id), before)
            missed = insert(MOVES).values(**where, **steps, id=last.id, reason=BEFORE_HISTORY)
            await self._connection.execute(missed)
        steps = {"from_version": _number(before), "to_version": _number(after)}
        who = {"moved_by": mover.tenant_id, "reason": mover.reason}
        await self._connection.execute(insert(MOVES).values(**where, **steps, **who, id=_after(last.id)))

    async def _last(self, model_id: UUID, alias: str) -> "_Last":
        query = sa.select(MOVES.c.id, MOVES.c.to_version).where(MOVES.c.model_id == model_id, MOVES.c.alias == alias)
        row = (await self._connection.execute(query.order_by(MOVES.c.id.desc()).limit(1))).one_or_none()
        return _Last(None, None) if row is None else _Last(row.id, row.to_version and str(row.to_version))


class _Last(NamedTuple):
    """The newest move: where it led."""

    id: UUID | None
    to_version: str | None


def _after(last: UUID | None) -> UUID:
    """A new id, later than the last even where that was made by a machine whose clock is ahead."""
    made = new_id()
    return made if last is None else max(made, UUID(int=last.int + 1))


def _number(version: str | None) -> int | None:
    return None if version is None else int(version)
