"""Bells that PostgreSQL rings. A notification may be lost with its connection, so every waiter also polls."""

import asyncio
import contextlib
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

from pynomaly_chassis.listening import Listener


class Notifications:
    """One channel, listened to by one connection; any number of subscribers."""

    def __init__(self, url: str, channel: str, *, application_name: str) -> None:
        self._listener = Listener(url, channel, application_name=application_name, hear=self.ring, catch_up=self.ring)
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

    def listening(self) -> AbstractAsyncContextManager[None]:
        """Listen while the block runs, through lost connections."""
        return self._listener.listening()


async def wait_for(bell: asyncio.Event, timeout_s: float) -> None:
    """Return when the bell rings, and silence it, or after `timeout_s` seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await bell.wait()
    bell.clear()
