"""One call as it runs: its attempts, each under the breaker and a timeout, and the body of its answer."""

from __future__ import annotations

import asyncio
import functools
import random
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from pynomaly_resilience.breaker import CircuitBreaker
from pynomaly_resilience.deadline import DEADLINE_HEADER, HOP_ALLOWANCE_S, deadline_to_header, remaining_s
from pynomaly_resilience.errors import (
    AttemptTimeout,
    CallFailed,
    ConnectionLost,
    DeadlineExceeded,
    PeerUnreachable,
)
from pynomaly_resilience.events import CallEvent, notify
from pynomaly_resilience.policies import CallPolicy

T = TypeVar("T")

SERVER_ERROR = 500
MIN_RETRY_AFTER_S = 1.0
"""What a caller is told to wait, at least, after a failure, seconds."""


class Upload:
    """A streamed body that remembers its own failure, which must not be held against the peer."""

    def __init__(self, chunks: AsyncIterable[bytes]) -> None:
        self._chunks = chunks
        self.error: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._chunks:
                yield chunk
        except Exception as error:
            self.error = error
            raise


class Request(NamedTuple):
    """What to send. `repeatable`: its body can be sent again; `idempotent`: so can its effect."""

    method: str
    url: URL
    headers: CIMultiDict[str]
    params: Any
    json: Any
    data: Any
    decompress: bool
    repeatable: bool
    idempotent: bool


class Call:
    """`async with` it: sends the request, hands out the response, gives the connection back, tells the hook."""

    __slots__ = (
        "_attempts",
        "_breaker",
        "_budget_s",
        "_http",
        "_late",
        "_limit_s",
        "_listeners",
        "_outcome",
        "_permit",
        "_policy",
        "_request",
        "_response",
        "_started_s",
    )

    def __init__(
        self,
        http: aiohttp.ClientSession,
        breaker: CircuitBreaker,
        policy: CallPolicy,
        request: Request,
        listeners: tuple[Callable[[CallEvent], None], ...],
    ) -> None:
        self._http = http
        self._breaker = breaker
        self._policy = policy
        self._request = request
        self._listeners = listeners
        self._attempts = 0
        self._outcome = ""

    async def __aenter__(self) -> ResilientResponse:
        self._started_s = time.monotonic()
        self._budget_s = min(self._policy.total_timeout_s, remaining_s())
        try:
            self._response = await self._send_until_answered()
        except BaseException as error:
            self._outcome = _outcome_of(error)
            self._finish()
            raise
        self._outcome = "server_error" if self._response.status >= SERVER_ERROR else "ok"
        return ResilientResponse(self._response, self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._outcome = "cancelled"
        try:
            self._response.release()
            await self._response.wait_for_close()
        finally:
            self._finish()

    async def bounded(self, work: Awaitable[T], limit_s: float, late: type[CallFailed]) -> T:
        """Await network work; its failure is put down to the peer or not, and raised as a CallFailed."""
        try:
            async with asyncio.timeout(limit_s):
                return await work
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            self._permit.release()
            raise
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._judge(error, late) from error
        except BaseException:
            self._permit.release()
            raise

    async def read(self, response: aiohttp.ClientResponse) -> bytes:
        """The whole body, within what is left of the attempt."""
        if response.content.is_eof():  # it came with the headers: there is nothing to wait for
            return await response.read()
        if response.content.is_eof():  # it came with the headers: no timer for what cannot wait
            return await response.read()
        return await self.bounded(response.read(), self._limit_s - self._elapsed_s(), self._late)

    async def read_some(self, response: aiohttp.ClientResponse) -> bytes:
        """What has arrived of the body, at least a byte; empty at its end."""
        return await self.bounded(response.content.readany(), self._policy.idle_timeout_s, AttemptTimeout)

    async def _send_until_answered(self) -> aiohttp.ClientResponse:
        elapsed_s = 0.0
        while True:
            try:
                return await self._attempt(elapsed_s)
            except (PeerUnreachable, ConnectionLost) as error:
                pause_s = random.random() * self._policy.retry_wait_s  # noqa: S311 (jitter, no secret)
                if not self._may_repeat(error, pause_s):
                    raise
            await asyncio.sleep(pause_s)
            elapsed_s = self._elapsed_s()

    def _may_repeat(self, error: CallFailed, pause_s: float) -> bool:
        return (
            self._attempts < self._policy.attempts
            and self._request.repeatable
            and (self._request.idempotent or isinstance(error, PeerUnreachable))
            and self._budget_s - self._elapsed_s() - pause_s > HOP_ALLOWANCE_S
        )

    async def _attempt(self, elapsed_s: float) -> aiohttp.ClientResponse:
        left_s = self._budget_s - elapsed_s
        if left_s <= HOP_ALLOWANCE_S:
            raise self._failure(DeadlineExceeded, "no time left to ask")
        self._permit = self._breaker.acquire()
        self._attempts += 1
        attempt_s = self._policy.attempt_timeout_s
        self._late = AttemptTimeout if attempt_s <= left_s else DeadlineExceeded
        self._limit_s = elapsed_s + min(attempt_s, left_s)
        response = await self.bounded(self._send(left_s), self._limit_s - elapsed_s, self._late)
        if response.status >= SERVER_ERROR:
            self._permit.failure()
        else:
            self._permit.success()
        return response

    async def _send(self, left_s: float) -> aiohttp.ClientResponse:
        request = self._request
        request.headers[DEADLINE_HEADER] = deadline_to_header(left_s)
        return await self._http.request(
            request.method,
            request.url,
            headers=request.headers,
            params=request.params,
            json=request.json,
            data=request.data,
            allow_redirects=False,
            auto_decompress=request.decompress,
            timeout=_client_timeout(self._policy.connect_timeout_s),
        )

    def _judge(self, error: Exception, late: type[CallFailed]) -> Exception:
        upload = self._request.data
        if isinstance(upload, Upload) and upload.error is not None:
            self._permit.release()
            return upload.error
        kind = _kind_of(error, late)
        if kind.blames_peer:
            self._permit.failure()
        else:
            self._permit.release()
        failure = self._failure(kind, str(error) or f"no answer within {self._elapsed_s():.3f} s")
        self._outcome = failure.outcome
        return failure

    def _failure(self, kind: type[CallFailed], detail: str) -> CallFailed:
        return kind(
            detail,
            dependency=self._breaker.dependency,
            operation=self._breaker.operation,
            retry_after_s=max(MIN_RETRY_AFTER_S, self._breaker.retry_after_s),
        )

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._started_s

    def _finish(self) -> None:
        if self._listeners:
            whom = self._breaker
            event = CallEvent(whom.dependency, whom.operation, self._outcome, self._attempts, self._elapsed_s())
            notify(self._listeners, event)


class ResilientResponse:
    """An answer whose headers are here and whose body is not yet: read it at once, or stream it.

    raw: aiohttp's response; reading its body directly goes past the timeouts.
    """

    __slots__ = ("_call", "headers", "raw", "status")

    def __init__(self, raw: aiohttp.ClientResponse, call: Call) -> None:
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


@functools.lru_cache(maxsize=128)
def _client_timeout(connect_timeout_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s)


def _kind_of(error: Exception, late: type[CallFailed]) -> type[CallFailed]:
    # The first is a TimeoutError too.
    if isinstance(error, aiohttp.ConnectionTimeoutError | aiohttp.ClientConnectorError):
        return PeerUnreachable
    return late if isinstance(error, TimeoutError) else ConnectionLost


def _outcome_of(error: BaseException) -> str:
    if isinstance(error, CallFailed):
        return error.outcome
    return "cancelled" if isinstance(error, asyncio.CancelledError) else "error"
