"""Idempotency-Key on every POST that creates: the answer is stored in the transaction of its effect.

A key is scoped to tenant and route and kept 24 h. While its first request runs, the key is held under a lease that is
renewed; a crash lets the lease run out, so that it never blocks a key for long. A holder whose lease was taken over
cannot commit.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from fastapi import Header, Response
from pydantic import BaseModel
from pynomaly_contracts.headers import IDEMPOTENT_REPLAYED
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from pynomaly_chassis.background import begin_apart, heartbeat
from pynomaly_chassis.database import Database
from pynomaly_chassis.ids import new_id
from pynomaly_chassis.problems import Conflict, Invalid

KEPT = timedelta(hours=24)
LEASE = timedelta(seconds=15)

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Send the same key with the same content again, and the first answer comes back.",
    ),
]


class KeyReused(Invalid):
    """The key was used with other content."""

    type, title = "/problems/idempotency-key-reused", "Idempotency key was used for something else"


class KeyInUse(Conflict):
    """The first request with this key is still running."""

    type, title = "/problems/idempotency-key-in-use", "The first request with this key is still running"


class LeaseLost(Conflict):
    """Another request took the key over while this one was stalled."""

    type, title = "/problems/idempotency-lease-lost", "Another request took this one's place"


def idempotency_table(metadata: sa.MetaData) -> sa.Table:
    """The table as queries see it; `create_idempotency_table_v1` makes it."""
    return sa.Table("idempotency_keys", metadata, *_columns_v1())


def create_idempotency_table_v1() -> None:
    """Called by a service's first migration. Never changed: a change is a v2 beside it."""
    from alembic import op  # noqa: PLC0415 - 10 MB that serving does without

    op.create_table("idempotency_keys", *_columns_v1())


def _columns_v1() -> list[sa.Column[Any]]:
    moment = sa.DateTime(timezone=True)
    return [
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("route", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("holder", postgresql.UUID(as_uuid=True), nullable=False),
        sa.Column("leased_until", moment, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("headers", postgresql.JSONB),
        sa.Column("body", sa.LargeBinary),
        sa.Column("expires_at", moment, nullable=False, index=True),
    ]


def fingerprint(content: BaseModel | str, *more: str) -> str:
    """SHA-256 of the parsed content: how it was spelled or framed does not count."""
    canonical = content if isinstance(content, str) else _canonical(content)
    return hashlib.sha256("\x00".join((canonical, *more)).encode()).hexdigest()


def _canonical(content: BaseModel) -> str:
    return orjson.dumps(content.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS).decode()


@dataclass(frozen=True)
class Claim:
    """The right to do the work of one key; without a key, the right to do it each time."""

    keys: "IdempotencyKeys | None"
    tenant_id: str
    route: str
    key: str
    fingerprint: str
    holder: UUID

    async def finish(self, connection: AsyncConnection, answer: "CreatedAnswer") -> None:
        """Store the answer in the effect's own transaction. Raises LeaseLost, which rolls the effect back."""
        if self.keys is not None:
            await self.keys.store(connection, self, answer)


@dataclass(frozen=True)
class CreatedAnswer:
    """What a creating request answers, the first time and each time after."""

    body: BaseModel
    status: int = 201
    location: str | None = None

    def content(self) -> bytes:
        return self.body.model_dump_json().encode()

    def headers(self) -> dict[str, str]:
        return {} if self.location is None else {"location": self.location}

    def response(self) -> Response:
        return Response(self.content(), self.status, self.headers(), "application/json")


Work = Callable[[Claim], Awaitable[CreatedAnswer]]


class IdempotencyKeys:
    """The keys of one service."""

    def __init__(self, database: Database, table: sa.Table, *, lease: timedelta = LEASE) -> None:
        self._database, self._table, self._lease = database, table, lease

    async def once(self, key: str | None, *, tenant_id: str, route: str, content: str, work: Work) -> Response:
        """Do `work` unless it was done under this key; answer as it did.

        `content` is a fingerprint. `work` must call `claim.finish` inside its transaction. Raises KeyReused (422),
        KeyInUse (409) or LeaseLost (409).
        """
        claim = Claim(None if key is None else self, tenant_id, route, key or "", content, new_id())
        if key is None:
            return (await work(claim)).response()
        stored = await self._begin(claim)
        if stored is not None:
            return stored
        return await self._run(claim, work)

    async def _run(self, claim: Claim, work: Work) -> Response:
        try:
            async with self._renewed(claim):
                answer = await work(claim)
        except BaseException:
            await asyncio.shield(begin_apart(self._release(claim)))
            raise
        return answer.response()

    async def _begin(self, claim: Claim) -> Response | None:
        async with self._database.transaction() as connection:
            if await self._acquire(connection, claim):
                return None
            row = (await connection.execute(sa.select(self._table).where(self._is(claim)))).one_or_none()
        if row is None:  # released between the two statements
            raise KeyInUse("the first request with this key has just ended; try again", retry_after_s=1)
        if row.fingerprint != claim.fingerprint:
            raise KeyReused(
                "this Idempotency-Key was used with other content; use a new key for a new request",
            )
        if row.status is None:
            raise KeyInUse("the first request with this key is still running", retry_after_s=1)
        return Response(row.body, row.status, {**row.headers, IDEMPOTENT_REPLAYED: "true"}, "application/json")

    async def _acquire(self, connection: AsyncConnection, claim: Claim) -> bool:
        table, now = self._table, sa.func.now()
        values = {
            "fingerprint": claim.fingerprint,
            "holder": claim.holder,
            "leased_until": now + self._lease,
            "expires_at": now + KEPT,
        }
        insert = postgresql.insert(table).values(tenant_id=claim.tenant_id, route=claim.route, key=claim.key, **values)
        lapsed = sa.and_(
            table.c.status.is_(None),
            table.c.leased_until < now,
            table.c.fingerprint == claim.fingerprint,
        )
        statement = insert.on_conflict_do_update(
            index_elements=["tenant_id", "route", "key"],
            set_={**values, "status": None, "headers": None, "body": None},
            where=sa.or_(table.c.expires_at < now, lapsed),
        ).returning(table.c.holder)
        return (await connection.execute(statement)).one_or_none() is not None

    async def store(self, connection: AsyncConnection, claim: Claim, answer: CreatedAnswer) -> None:
        """See Claim.finish."""
        statement = (
            sa.update(self._table)
            .where(self._is_held(claim))
            .values(status=answer.status, headers=answer.headers(), body=answer.content())
        )
        if (await connection.execute(statement)).rowcount != 1:
            raise LeaseLost("another request with the same key took this one's place; ask again for its answer")

    @asynccontextmanager
    async def _renewed(self, claim: Claim) -> AsyncIterator[None]:
        async with heartbeat(self._lease.total_seconds() / 3, lambda: self._renew(claim)):
            yield

    async def _renew(self, claim: Claim) -> None:
        statement = sa.update(self._table).where(self._is_held(claim)).values(leased_until=sa.func.now() + self._lease)
        await self._database.run(lambda connection: connection.execute(statement))

    async def _release(self, claim: Claim) -> None:
        """Let the same key be tried again at once: what failed had no effect."""
        statement = sa.delete(self._table).where(self._is_held(claim))
        await self._database.run(lambda connection: connection.execute(statement))

    async def purge(self) -> None:
        """Forget the keys that are over 24 h old."""
        statement = sa.delete(self._table).where(self._table.c.expires_at < sa.func.now())
        await self._database.run(lambda connection: connection.execute(statement))

    def _is(self, claim: Claim) -> sa.ColumnElement[bool]:
        columns = self._table.c
        return sa.and_(columns.tenant_id == claim.tenant_id, columns.route == claim.route, columns.key == claim.key)

    def _is_held(self, claim: Claim) -> sa.ColumnElement[bool]:
        columns = self._table.c
        return sa.and_(self._is(claim), columns.holder == claim.holder, columns.status.is_(None))
