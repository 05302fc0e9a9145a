"""What any replica did to the registry, heard by LISTEN."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import orjson
import structlog
from pynomaly_chassis.background import heartbeat
from pynomaly_chassis.database import DatabaseUnavailable
from pynomaly_chassis.listening import Listener

from model_service.repository import CHANGES_CHANNEL
from model_service.serving import Serving

log = structlog.get_logger()
RETRY_S = 1.0
MOST_S = 300.0  # between two tries to load what does not load


class ChangeListener:
    """Tells Serving of every change, and of every time when one may have been missed."""

    def __init__(self, url: str, serving: Serving, *, application_name: str) -> None:
        self._serving, self._loads_changed = serving, asyncio.Event()
        self._listener = Listener(
            url, CHANGES_CHANNEL, application_name=application_name, hear=self._hear, catch_up=self._catch_up
        )

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen while the block runs. What is loaded meanwhile delays no announcement."""
        async with self._listener.listening(), heartbeat(RETRY_S, self._follow_loads, at_start=True):
            yield

    def _catch_up(self) -> None:
        self._serving.changed_unseen()
        self._loads_changed.set()

    def _hear(self, payload: str) -> None:
        change = orjson.loads(payload)
        model_id = UUID(change["model_id"])
        self._serving.changed(change["tenant_id"], model_id)
        if change["event"] == "unload":
            self._serving.dropped(model_id)
        if change["event"] == "delete":
            self._serving.dropped_version(UUID(change["version_id"]))
        if change["event"] in {"load", "unload"}:
            self._loads_changed.set()

    async def _follow_loads(self) -> None:
        """Until the database is away; the next turn asks for all loads again. What does not load is tried again."""
        wait_s = RETRY_S
        try:
            while True:
                self._loads_changed.clear()
                is_done = await self._serving.follow_loads()
                wait_s = RETRY_S if is_done else min(2 * wait_s, MOST_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(None if is_done else wait_s):
                        await self._loads_changed.wait()
        except DatabaseUnavailable as error:
            log.warning("changes.loads_not_known", error=str(error))
