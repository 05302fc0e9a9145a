"""What any replica did to the registry, heard by LISTEN."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
        if change["event"] == "load":
            self._loads_changed.set()

    async def _follow_loads(self) -> None:
        """Until that fails; the next turn asks for all loads again."""
        try:
            while True:
                self._loads_changed.clear()
                await self._serving.follow_loads()
                await self._loads_changed.wait()
        except DatabaseUnavailable as error:
            log.warning("changes.loads_not_known", error=str(error))
