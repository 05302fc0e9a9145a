"""Which version answers: (tenant, model, version) as asked for, to a model in memory.

Answers are remembered for a while (MODEL_REFRESH_S) and at once forgotten when a change is announced, so that a moved
alias or a new latest is followed by every replica. What is known stays in use while the database is away or a new
version does not load.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import structlog
from pynomaly_chassis.database import DatabaseUnavailable
from pynomaly_chassis.problems import NotFound, ProblemError

from model_service.errors import NoDefaultModel
from model_service.records import StoredVersion
from model_service.repository import DEFAULT, ModelRepository
from model_service.runtime import ModelRuntime, ServedModel
from model_service.single_flight import SingleFlight

log = structlog.get_logger()
MAX_ENTRIES = 10_000
Key = tuple[str, str | None, str | None]


@dataclass(slots=True)
class _Entry:
    stored: StoredVersion
    fresh_until: float  # after it, a look behind the scenes
    moved: bool = False  # the next request looks before it answers

    def concerns(self, key: Key, tenant_id: str, model_id: UUID) -> bool:
        same_model = self.stored.model_id == model_id or key[1] in (None, DEFAULT)
        return key[0] == tenant_id and same_model


class Serving:
    """Resolves and loads; `current` is the fast path."""

    def __init__(
        self, repository: ModelRepository, runtime: ModelRuntime, *, fresh_s: float, resolve_timeout_s: float
    ) -> None:
        self._repository, self._runtime = repository, runtime
        self._fresh_s, self._resolve_timeout_s = fresh_s, resolve_timeout_s
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._looks: SingleFlight[Key, ServedModel] = SingleFlight()
        self._n_changes = 0
        self._database_away = False
        self._dropped: set[UUID] = set()  # models and versions, since the loads that are being followed were read

    def current(self, tenant_id: str, model_ref: str | None, version_ref: str | None) -> ServedModel | None:
        """The model if it is known and in memory. Never waits."""
        key = tenant_id, model_ref, version_ref
        entry = self._entries.get(key)
        if entry is None or entry.moved:
            return None
        if time.monotonic() >= entry.fresh_until:
            entry.fresh_until = time.monotonic() + self._fresh_s
            self._looks.begin(key, lambda: self._look(key))
        return self._runtime.peek(entry.stored.id)

    async def model(self, tenant_id: str, model_ref: str | None, version_ref: str | None) -> ServedModel:
        """The model, found and loaded if need be.

        Raises NotFound, NoDefaultModel, DatabaseUnavailable and what loading raises.
        """
        key = tenant_id, model_ref, version_ref
        entry = self._entries.get(key)
        if entry is not None and not entry.moved:
            return await self._runtime.get(entry.stored)
        return await self._looks.run(key, lambda: self._look(key))

    def changed(self, tenant_id: str, model_id: UUID) -> None:
        """What a version, an alias or the default means may have changed."""
        self._mark(key for key, entry in self._entries.items() if entry.concerns(key, tenant_id, model_id))

    def changed_unseen(self) -> None:
        """Announcements may have been missed."""
        self._mark(iter(self._entries))

    def dropped(self, model_id: UUID) -> None:
        """The model is to leave memory."""
        self._dropped.add(model_id)
        self._runtime.drop_model(model_id)

    def dropped_version(self, version_id: UUID) -> None:
        """One version is to leave memory for good."""
        self._dropped.add(version_id)
        self._runtime.drop_version(version_id)

    async def follow_loads(self) -> bool:
        """Bring into memory what every replica is to have there; whether all of it is. Raises DatabaseUnavailable."""
        self._dropped.clear()
        async with self._repository.transaction() as tx:
            wanted = await tx.loads.all()
        self._runtime.keep_only({stored.id: pinned for stored, pinned in wanted})
        return all([await self._follow_load(*each) for each in wanted])

    async def _follow_load(self, stored: StoredVersion, pinned: bool) -> bool:
        if self._has_left(stored, pinned):
            return True
        try:
            await self._runtime.keep(stored, pinned=pinned)
        except ProblemError as error:
            log.warning("model.not_loaded", model=stored.model_name, version=stored.number, problem=error.type)
            return False
        if self._has_left(stored, pinned):  # while it was loaded
            self._runtime.drop_version(stored.id)
        return True

    def _has_left(self, stored: StoredVersion, pinned: bool) -> bool:
        return stored.id in self._dropped or (stored.model_id in self._dropped and not pinned)

    async def close(self) -> None:
        """End every look."""
        await self._looks.close()
        await self._runtime.close()

    def _mark(self, keys: Iterable[Key]) -> None:
        self._n_changes += 1
        self._looks.renounce()
        for key in keys:
            self._entries[key].moved = True

    async def _look(self, key: Key) -> ServedModel:
        known, n_changes = self._entries.get(key), self._n_changes
        try:
            stored = await self._resolve(key)
            model = await self._runtime.get(stored)
        except (NotFound, NoDefaultModel):
            self._entries.pop(key, None)
            raise
        except ProblemError as error:
            if known is None:
                raise
            return await self._stay(known, error)
        self._remember(key, _Entry(stored, time.monotonic() + self._fresh_s, moved=self._n_changes != n_changes))
        return model

    async def _resolve(self, key: Key) -> StoredVersion:
        try:
            async with asyncio.timeout(self._resolve_timeout_s), self._repository.transaction() as tx:
                stored = await tx.versions.find(*key)
        except TimeoutError as error:
            raise DatabaseUnavailable("the database does not answer; try again", retry_after_s=1) from error
        if self._database_away:
            log.info("serving.database_is_back")
            self._database_away = False
        return stored

    async def _stay(self, known: _Entry, error: ProblemError) -> ServedModel:
        """Go on with what is known; ask again after a while."""
        away = isinstance(error, DatabaseUnavailable)
        if not (away and self._database_away):
            log.warning("serving.stale", model=known.stored.model_name, problem=error.type)
        self._database_away = away or self._database_away
        known.fresh_until, known.moved = time.monotonic() + self._fresh_s, False
        return await self._runtime.get(known.stored)

    def _remember(self, key: Key, entry: _Entry) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        if len(self._entries) > MAX_ENTRIES:
            self._entries.popitem(last=False)
