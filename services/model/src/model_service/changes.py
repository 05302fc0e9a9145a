"""What any replica did to the registry, heard by LISTEN."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import structlog
from pynomaly_chassis.database import connect_raw
from pynomaly_chassis.problems import ProblemError

from model_service.repository import CHANGES_CHANNEL
from model_service.serving import Serving

log = structlog.get_logger()
RETRY_S = 1.0
_LOST = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ProblemError)


class ChangeListener:
    """Tells Serving of every change, and of every time when one may have been missed."""

    def __init__(self, url: str, serving: Serving, *, application_name: str) -> None:
        self._url, self._serving, self._application_name = url, serving, application_name
        self._hears = True

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen while the block runs; a connection that is lost is made again."""
        task = asyncio.create_task(self._listen_forever())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _listen_forever(self) -> None:
        while True:
            try:
                await self._listen()
            except _LOST as error:
                self._note_silence(error)
            except Exception:
                log.exception("changes.listener_failed")  # a defect must not leave this replica deaf
            await asyncio.sleep(RETRY_S)

    def _note_silence(self, error: Exception) -> None:
        if self._hears:
            log.warning("changes.not_heard", error=str(error)[:300])
        self._hears = False

    async def _listen(self) -> None:
        """Until the connection ends."""
        connection = await connect_raw(self._url, application_name=self._application_name)
        events: asyncio.Queue[str | None] = asyncio.Queue()
        try:
            connection.add_termination_listener(lambda _: events.put_nowait(None))
            await connection.add_listener(CHANGES_CHANNEL, lambda *heard: self._hear(heard[-1], events))
            self._hears = True
            self._serving.changed_unseen()
            await self._follow_loads(events)
        finally:
            connection.terminate()

    async def _follow_loads(self, events: "asyncio.Queue[str | None]") -> None:
        event: str | None = "load"
        while event is not None:
            await self._serving.follow_loads()
            event = await events.get()

    def _hear(self, payload: Any, events: "asyncio.Queue[str | None]") -> None:
        change = orjson.loads(payload)
        model_id = UUID(change["model_id"])
        self._serving.changed(change["tenant_id"], model_id)
        if change["event"] == "unload":
            self._serving.dropped(model_id)
        if change["event"] == "load":
            events.put_nowait("load")
