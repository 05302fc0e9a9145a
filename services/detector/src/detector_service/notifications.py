"""LISTEN: PostgreSQL wakes who waits. A notification may be lost with its connection, so every waiter also polls."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import structlog
from pynomaly_chassis.database import connect_raw

log = structlog.get_logger()
RECONNECT_S = 1.0


class Notifications:
    """One channel, listened to by one connection; any number of subscribers."""

    def __init__(self, url: str, channel: str, *, application_name: str) -> None:
        self._url, self._channel, self._name = url, channel, application_name
        self._bells: dict[asyncio.Event, str | None] = {}

    @contextmanager
    def subscription(self, payload: str | None = None) -> Iterator[asyncio.Event]:
        """An event that is set by every notification, or by those with this payload; the waiter clears it."""
        bell = asyncio.Event()
        self._bells[bell] = payload
        try:
            yield bell
        finally:
            del self._bells[bell]

    def ring(self, payload: str | None = None) -> None:
        """Wake the subscribers of a payload, or all."""
        for bell, wanted in self._bells.items():
            if wanted is None or payload is None or wanted == payload:
                bell.set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen while the block runs, through lost connections."""
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
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("notifications.lost", channel=self._channel, error=str(error))
            await asyncio.sleep(RECONNECT_S)

    async def _listen(self) -> None:
        connection = await connect_raw(self._url, application_name=self._name)
        closed = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: closed.set())
            await connection.add_listener(self._channel, lambda *args: self.ring(args[3]))
            self.ring()  # for what was said while nobody listened
            await closed.wait()
        finally:
            connection.terminate()


async def wait_for(bell: asyncio.Event, timeout_s: float) -> None:
    """Return when the bell rings, and silence it, or after `timeout_s` seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await bell.wait()
    bell.clear()
