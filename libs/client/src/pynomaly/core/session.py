"""How a call becomes an answer: key, attempts, hook, translation of errors. The same for both flavours."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError
from pynomaly_contracts.headers import DEADLINE, IDEMPOTENCY_KEY
from pynomaly_contracts.routes import is_idempotent
from pynomaly_resilience import RetryBudget, deadline_to_header
from pynomaly_resilience.retry import Tries, retry_after_s
from uuid_utils import uuid7

from pynomaly.core.call import Call
from pynomaly.core.exchange import Exchange, OnRequest, in_words
from pynomaly.core.retry import POLICY, pause_s
from pynomaly.core.wire import Reply, Wire
from pynomaly.errors import ConnectionFailed, PynomalyError, TimedOut, UnexpectedAnswer, api_error

T = TypeVar("T")
TOO_LATE = "/problems/too-late"
TEMPORARY_REDIRECT = 307


class Session:
    """The calls of one client."""

    def __init__(self, wire: Wire, url: str, timeout_s: float, on_request: OnRequest | None) -> None:
        self.wire, self.url = wire, url
        self._timeout_s, self._on_request = timeout_s, on_request
        self._budget = RetryBudget()

    async def send(self, call: Call[T]) -> T:
        """The answer, read. Raises PynomalyError's subclasses."""
        body = await self._attempts(call, None)
        try:
            return call.read(body)
        except ValidationError as error:
            raise UnexpectedAnswer(
                f"{self.url}{call.path} answered what is no {error.title} of Pynomaly's API; is it a Pynomaly suite?"
            ) from error

    async def download(self, call: Call[None], into: BinaryIO) -> None:
        """The answer's body, written as it arrives. `into` must be seekable: a retry begins again."""
        await self._attempts(call, into)

    @asynccontextmanager
    async def streaming(self, call: Call[None]) -> AsyncIterator[AsyncIterator[bytes]]:
        """The answer's body in pieces, while it is still being made; not retried."""
        async with self._answered(call, self._parts(call), attempt=1, timeout_s=None) as reply:
            yield reply.chunks

    async def _attempts(self, call: Call[Any], into: BinaryIO | None) -> bytes:
        parts = self._parts(call)
        keyed = IDEMPOTENCY_KEY in parts["headers"]
        if not (call.replayable and is_idempotent(call.method, call.path, has_idempotency_key=keyed)):
            return await self._once(call, parts, into, attempt=1)
        tries = Tries(POLICY, self._budget)
        while True:
            tries.n_sent += 1
            try:
                return await self._once(call, parts, into, attempt=tries.n_sent)
            except PynomalyError as error:
                wait_s = pause_s(error, tries)
                if wait_s is None:
                    raise
            await self.wire.sleep(wait_s)

    async def _once(self, call: Call[Any], parts: dict[str, Any], into: BinaryIO | None, attempt: int) -> bytes:
        timeout_s = max(self._timeout_s, call.timeout_s)
        async with self._answered(call, parts, attempt, timeout_s) as reply:
            if into is None:
                return await reply.body()
            if reply.status != TEMPORARY_REDIRECT:
                return await _written(reply, into)
            elsewhere = reply.headers.get("location", "")
        await self._elsewhere(elsewhere, into, timeout_s)
        return b""

    async def _elsewhere(self, url: str, into: BinaryIO, timeout_s: float) -> None:
        """What the suite sends on to: its object storage, which knows the link and not us."""
        try:
            async with self.wire.opened(self.wire.build("GET", url, timeout=timeout_s)) as reply:
                if reply.status != 200:
                    raise ConnectionFailed(urlsplit(url).netloc, f"the storage answers {reply.status}")
                await _written(reply, into)
        except httpx.HTTPError as error:
            raise ConnectionFailed(urlsplit(url).netloc, str(error) or type(error).__name__) from error

    @asynccontextmanager
    async def _answered(
        self, call: Call[Any], parts: dict[str, Any], attempt: int, timeout_s: float | None
    ) -> AsyncIterator[Reply]:
        """One attempt. The hook hears of it when it has ended, whichever way."""
        patience = httpx.Timeout(self._timeout_s, read=timeout_s, write=timeout_s)
        request = self.wire.build(call.method, call.path, timeout=patience, **parts)
        if call.upload is None and timeout_s is not None:  # sending a file may take longer than waiting for its answer
            request.headers[DEADLINE] = deadline_to_header(timeout_s)
        begun, status = time.perf_counter(), None
        try:
            async with self.wire.opened(request) as reply:
                status = reply.status
                if status >= 400 and status not in call.also:
                    refusal = api_error(status, await reply.body(), retry_after_s(reply.headers))
                    if refusal.problem.type == TOO_LATE:
                        raise TimedOut(self.url, call.path, timeout_s or self._timeout_s) from refusal
                    raise refusal
                yield reply
        except httpx.HTTPError as error:
            raise self._translated(error, call.path, timeout_s or self._timeout_s) from error
        finally:
            self._tell(call, request, status, begun, attempt)

    def _translated(self, error: httpx.HTTPError, path: str, timeout_s: float) -> ConnectionFailed:
        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            return TimedOut(self.url, path, timeout_s)
        return ConnectionFailed(self.url, str(error) or type(error).__name__)

    def _tell(self, call: Call[Any], request: httpx.Request, status: int | None, begun: float, attempt: int) -> None:
        if self._on_request is None:
            return
        path = request.url.raw_path.decode()
        duration_ms = (time.perf_counter() - begun) * 1000
        self._on_request(Exchange(call.method, path, in_words(call), status, duration_ms, attempt))

    def _parts(self, call: Call[Any]) -> dict[str, Any]:
        """What httpx is given, the same for every attempt."""
        headers = {"accept": f"{call.accept}, application/problem+json"}
        if call.token is not None:
            headers["authorization"] = f"Bearer {call.token}"
        if call.creates:
            headers[IDEMPOTENCY_KEY] = str(uuid7())
        parts: dict[str, Any] = {"headers": headers, "params": _said(call)}
        if call.upload is not None:
            upload = call.upload
            parts |= {"files": {"file": (upload.filename, upload.stream, "text/csv")}, "data": dict(upload.fields)}
        elif call.body is not None:
            headers["content-type"] = "application/json"
            parts["content"] = call.body
        return parts


async def _written(reply: Reply, into: BinaryIO) -> bytes:
    into.seek(0)
    into.truncate()
    async for chunk in reply.chunks:
        into.write(chunk)
    return b""


def _said(call: Call[Any]) -> list[tuple[str, str | int]] | None:
    """The query's pairs, a list's items each on its own; None for no query at all."""
    pairs: list[tuple[str, str | int]] = []
    for name, value in call.query.items():
        if value is not None:
            values = [value] if isinstance(value, (str, int)) else value
            pairs.extend((name, one) for one in values)
    return pairs or None
