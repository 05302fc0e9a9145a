"""Where requests leave the process: one httpx client, behind coroutines in both flavours."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import httpx

from pynomaly.errors import InvalidInput

if TYPE_CHECKING:
    from pynomaly.core.sockets import Socket

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Wire(Protocol):
    """One attempt at a request: no retries, no translation."""

    def build(self, method: str, path: str, **parts: Any) -> httpx.Request: ...
    def opened(self, request: httpx.Request) -> AbstractAsyncContextManager["Reply"]:
        """The reply with its body still to be read."""

    def socket(self, path: str) -> AbstractAsyncContextManager["Socket"]:
        """A WebSocket."""

    async def sleep(self, seconds: float) -> None: ...
    async def close(self) -> None: ...


class Reply:
    """An answer: its head, and its body in pieces."""

    def __init__(self, head: httpx.Response, chunks: AsyncIterator[bytes]) -> None:
        self.status, self.headers, self.chunks = head.status_code, head.headers, chunks

    async def body(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks])


class AsyncWire:
    """Waits as asyncio does."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._client = httpx.AsyncClient(**_options(url, timeout_s))
        self._url, self._timeout_s = url, timeout_s

    def build(self, method: str, path: str, **parts: Any) -> httpx.Request:
        return self._client.build_request(method, path, **parts)

    @asynccontextmanager
    async def opened(self, request: httpx.Request) -> AsyncIterator[Reply]:
        response = await self._client.send(request, stream=True)
        try:
            yield Reply(response, response.aiter_bytes())
        finally:
            await response.aclose()

    def socket(self, path: str) -> AbstractAsyncContextManager["Socket"]:
        from pynomaly.core.sockets import waiting  # noqa: PLC0415 - for those who stream

        return waiting(self._url, path, self._timeout_s, proxy=_trusts_env(self._url))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        await self._client.aclose()


class BlockingWire:
    """Blocks the thread inside its coroutines, so that `blocking.run` can run them without an event loop."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._client = httpx.Client(**_options(url, timeout_s))
        self._url, self._timeout_s = url, timeout_s

    def build(self, method: str, path: str, **parts: Any) -> httpx.Request:
        return self._client.build_request(method, path, **parts)

    @asynccontextmanager
    async def opened(self, request: httpx.Request) -> AsyncIterator[Reply]:
        response = self._client.send(request, stream=True)
        try:
            yield Reply(response, _unsuspended(response.iter_bytes()))
        finally:
            response.close()

    def socket(self, path: str) -> AbstractAsyncContextManager["Socket"]:
        from pynomaly.core.sockets import blocking  # noqa: PLC0415 - for those who stream

        return blocking(self._url, path, self._timeout_s, proxy=_trusts_env(self._url))

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251 - blocking is this wire's purpose

    async def close(self) -> None:
        self._client.close()


async def _unsuspended(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def _options(url: str, timeout_s: float) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidInput(f"url: {url!r} is not an address such as http://127.0.0.1:8080")
    if not timeout_s > 0:
        raise InvalidInput(f"timeout_s: {timeout_s!r} must be more than 0 seconds")
    return {"base_url": url, "timeout": timeout_s, "trust_env": _trusts_env(url)}


def _trusts_env(url: str) -> bool:
    """A proxy named in the environment never leads to this machine itself."""
    return urlsplit(url).hostname not in LOOPBACK
