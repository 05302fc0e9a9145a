"""Features that are switched while the services run.

A change is a row in the service's own database: it goes before the setting, outlives restarts and
reaches every replica.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from pynomaly_contracts.admin import (
    FLAG_MEANINGS,
    FLAG_OWNERS,
    FeatureFlag,
    FeatureFlagChanges,
    FeatureFlags,
    Flag,
)
from pynomaly_contracts.problems import FieldProblem
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from pynomaly_chassis.configuration import Live
from pynomaly_chassis.database import Database
from pynomaly_chassis.problems import Invalid, ProblemError


class FeatureOff(ProblemError):
    """An operator has switched this off."""

    status, type, title = 403, "/problems/feature-off", "Feature is switched off"


class NotHeeded(Invalid):
    """This service has no feature of that switch."""

    type, title = "/problems/flag-not-heeded", "Nothing here heeds this flag"


def flags_table(metadata: sa.MetaData) -> sa.Table:
    """The switches that were moved at run time; a service that heeds any has this table."""
    return sa.Table(
        "feature_flags",
        metadata,
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )


def check_owned(wanted: FeatureFlagChanges, services: Collection[str]) -> None:
    """Raises NotHeeded, naming each flag that none of the services heeds and what there is instead."""
    wrong = [
        FieldProblem(field=f"body.flags.{flag}", value=value, message=_why_not(flag, services))
        for flag, value in wanted.flags.items()
        if not any(owner in services for owner in FLAG_OWNERS.get(flag, ()))
    ]
    if wrong:
        raise NotHeeded("; ".join(f"{each.field}: {each.message}" for each in wrong), errors=wrong)


def _why_not(flag: Flag, services: Collection[str]) -> str:
    owners = FLAG_OWNERS.get(flag)
    if owners is None:
        return FLAG_MEANINGS[flag]
    return f"{' and '.join(services)} has no such feature; it is a switch of {' and '.join(owners)}"


class Change(NamedTuple):
    """A switch as it was moved."""

    enabled: bool
    changed_at: datetime
    changed_by: str
    reason: str


Changes = Mapping[Flag, Change]


class Flags:
    """The switches of one service. table: None where it heeds none."""

    def __init__(self, service: str, live: Live[Any], database: Database, table: sa.Table | None = None) -> None:
        self.service, self._live, self._database, self._table = service, live, database, table
        self.heeded = tuple(flag for flag, owners in FLAG_OWNERS.items() if service in owners)
        self._changes: Changes = {}

    def is_on(self, flag: Flag) -> bool:
        """As it is now, without asking anybody."""
        change = self._changes.get(flag)
        return self._setting(flag) if change is None else change.enabled

    def require(self, flag: Flag) -> None:
        """Raises FeatureOff."""
        if not self.is_on(flag):
            raise FeatureOff(f"{flag}: {FLAG_MEANINGS[flag]}", flag=flag.value)

    def listed(self) -> FeatureFlags:
        """Every switch, heeded here or not."""
        return FeatureFlags(service=self.service, items=[self._described(flag) for flag in Flag])

    async def read(self) -> None:
        """Learn what was switched at run time. Raises DatabaseUnavailable."""
        if self._table is None:
            return
        async with self._database.transaction() as connection:
            found = await self.stored(connection)
        self.adopt(found)

    async def stored(self, connection: AsyncConnection) -> Changes:
        """What was switched at run time, as the transaction sees it."""
        table = self._table
        if table is None:
            return {}
        rows = await connection.execute(sa.select(table).where(table.c.name.in_(self.heeded)))
        return {Flag(row.name): Change(*row[1:]) for row in rows}

    def adopt(self, changes: Changes) -> None:
        """Go by these from now on."""
        self._changes = changes

    async def store(self, connection: AsyncConnection, wanted: FeatureFlagChanges) -> None:
        """Write the changes, which `check_owned` has let pass."""
        table = self._table
        if table is None:
            return
        for flag, enabled in sorted(wanted.flags.items()):  # always in one order: no deadlock
            if enabled is None:
                await connection.execute(sa.delete(table).where(table.c.name == flag))
                continue
            values = {
                "enabled": enabled,
                "changed_at": sa.func.now(),
                "changed_by": wanted.by,
                "reason": wanted.reason,
            }
            statement = postgresql.insert(table).values(name=flag, **values)
            await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))

    def _setting(self, flag: Flag) -> bool:
        return bool(getattr(self._live.now, flag.lower(), False))

    def _described(self, flag: Flag) -> FeatureFlag:
        change, heeded = self._changes.get(flag), flag in self.heeded
        return FeatureFlag(
            name=flag,
            enabled=self.is_on(flag),
            heeded=heeded,
            source="change" if change else "setting" if heeded else "not_offered",
            meaning=FLAG_MEANINGS[flag],
            changed_at=change and change.changed_at,
            changed_by=change and change.changed_by,
            reason=change and change.reason,
        )
