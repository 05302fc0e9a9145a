"""The answer to a call, its body still to be read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import Any, Protocol

import aiohttp


class _Reader(Protocol):
    """The call, which reads bodies under its timeouts."""

    def read(self, response: aiohttp.ClientResponse, /) -> Awaitable[bytes]: ...

    def read_some(self, response: aiohttp.ClientResponse, /) -> Awaitable[bytes]: ...


class ResilientResponse:
    """An answer whose headers are here and whose body is not yet: read it at once, or stream it.

    raw: aiohttp's response; reading its body directly goes past the timeouts.
    """

    __slots__ = ("_call", "headers", "raw", "status")

    def __init__(self, raw: aiohttp.ClientResponse, call: _Reader) -> None:
        self._call = call
        self.raw = raw
        self.status = raw.status
        self.headers = raw.headers

    async def read(self) -> bytes:
        """The whole body. AttemptTimeout or DeadlineExceeded when the attempt's time runs out first."""
        return await self._call.read(self.raw)

    async def json(self) -> Any:
        """The whole body as JSON, whatever its content type. JSONDecodeError if it is not."""
        await self.read()
        return await self.raw.json(content_type=None)

    async def text(self) -> str:
        """The whole body as text, in the charset it names or else UTF-8."""
        await self.read()
        return await self.raw.text()

    async def iter_chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. AttemptTimeout after a silence of `idle_timeout_s`; no total limit."""
        while chunk := await self._call.read_some(self.raw):
            yield chunk
