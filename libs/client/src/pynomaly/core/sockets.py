"""WebSockets in both flavours, behind coroutines: one waits, the other blocks its thread."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Protocol

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.sync.client import connect as connect_blocking

from pynomaly.errors import ConnectionFailed, api_error


class Socket(Protocol):
    """Messages in their order."""

    async def send(self, message: str) -> None: ...
    async def receive(self) -> bytes: ...


class _Waiting:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def send(self, message: str) -> None:
        await self._connection.send(message)

    async def receive(self) -> bytes:
        return bytes(await self._connection.recv(decode=False))


class _Blocking(_Waiting):
    async def send(self, message: str) -> None:
        self._connection.send(message)

    async def receive(self) -> bytes:
        return bytes(self._connection.recv(decode=False))


@asynccontextmanager
async def waiting(url: str, path: str, timeout_s: float, *, proxy: bool) -> AsyncIterator[Socket]:
    """A WebSocket that waits as asyncio does. Raises ApiError, ConnectionFailed."""
    with _translated(url):
        async with connect(address(url, path), **_options(timeout_s, proxy=proxy)) as connection:
            yield _Waiting(connection)


@asynccontextmanager
async def blocking(url: str, path: str, timeout_s: float, *, proxy: bool) -> AsyncIterator[Socket]:
    """A WebSocket that never suspends. Raises ApiError, ConnectionFailed."""
    with _translated(url), connect_blocking(address(url, path), **_options(timeout_s, proxy=proxy)) as connection:
        yield _Blocking(connection)


def address(url: str, path: str) -> str:
    """The WebSocket's, of the suite's."""
    return "ws" + url.removeprefix("http") + path


def _options(timeout_s: float, *, proxy: bool) -> dict[str, Any]:
    return {"open_timeout": timeout_s, "compression": None, "max_size": None, "proxy": True if proxy else None}


@contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except InvalidStatus as error:
        raise api_error(error.response.status_code, bytes(error.response.body or b"")) from error
    except (ConnectionClosed, InvalidHandshake, OSError) as error:  # TimeoutError is an OSError
        raise ConnectionFailed(url, str(error) or type(error).__name__) from error
