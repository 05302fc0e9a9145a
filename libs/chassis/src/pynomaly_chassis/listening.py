"""LISTEN: PostgreSQL tells at once. What it says while no connection listens is lost, so whoever hears catches up."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import asyncpg
import structlog

from pynomaly_chassis.background import heartbeat
from pynomaly_chassis.database import connect_raw

log = structlog.get_logger()
RECONNECT_S = 1.0
_LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
_Ends = asyncio.Queue[Exception | None]


class Listener:
    """One channel, heard by a connection of its own. For one event loop.

    `hear` is called with every payload, `catch_up` whenever some may have been missed. Neither waits.
    """

    def __init__(
        self,
        url: str,
        channel: str,
        *,
        application_name: str,
        hear: Callable[[str], None],
        catch_up: Callable[[], None],
    ) -> None:
        self._url, self._channel, self._application_name = url, channel, application_name
        self._hear, self._catch_up = hear, catch_up
        self._hears = True

    def listening(self) -> AbstractAsyncContextManager[None]:
        """Listen while the block runs. A connection is made anew when it is lost, and when a callback fails."""
        return heartbeat(RECONNECT_S, self._listen, at_start=True)

    async def _listen(self) -> None:
        try:
            await self._listen_once()
        except _LOST as error:
            if self._hears:  # an outage is said once
                log.warning("listener.not_heard", channel=self._channel, error=str(error)[:300])
            self._hears = False

    async def _listen_once(self) -> None:
        """Until the connection ends or a callback fails."""
        connection = await connect_raw(self._url, application_name=self._application_name)
        ends: _Ends = asyncio.Queue()
        try:
            connection.add_termination_listener(lambda _: ends.put_nowait(None))
            await connection.add_listener(self._channel, partial(self._tell, ends))
            self._hears = True
            self._catch_up()
            if defect := await ends.get():
                raise defect
        finally:
            connection.terminate()

    def _tell(self, ends: _Ends, *said: object) -> None:
        try:
            self._hear(str(said[-1]))
        except Exception as defect:
            ends.put_nowait(defect)
