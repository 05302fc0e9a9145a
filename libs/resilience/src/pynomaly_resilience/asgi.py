"""What a server does about time and load, as plain ASGI middleware: any framework, no dependency.

Both pass everything but HTTP through, and answer problems (RFC 9457) with Retry-After where it helps.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from pynomaly_resilience.deadline import DEADLINE_HEADER, deadline_from_header, deadline_scope, remaining_s
from pynomaly_resilience.shedding import Queue, Shed

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

EXEMPT = ("/health", "/ready", "/status", "/metrics")


class DeadlineMiddleware:
    """Work has the time that its caller gave it in `x-request-deadline-ms`, and is cancelled at its end.

    Late already: 504, and the application is not asked. Late in the middle: cancelled, 504. Once the headers
    of an answer have been sent it is never cancelled. default_timeout_s: for requests without the header; None,
    no limit. A header that is no whole number is a 400.
    """

    def __init__(self, app: App, *, default_timeout_s: float | None = None) -> None:
        self._app = app
        self._default_s = math.inf if default_timeout_s is None else default_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        header = _header(scope, DEADLINE_HEADER)
        try:
            left_s = self._default_s if header is None else deadline_from_header(header)
        except ValueError as error:
            await _problem(send, 400, "The deadline makes no sense", str(error))
            return
        if left_s == math.inf:
            await self._app(scope, receive, send)
        elif left_s <= 0:
            await _problem(send, 504, "Too late", "the caller's time had run out before the work began")
        else:
            await self._within(left_s, scope, receive, send)

    async def _within(self, left_s: float, scope: Scope, receive: Receive, send: Send) -> None:
        limit = asyncio.timeout(left_s)
        has_begun = False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            if not has_begun and not limit.expired():
                limit.reschedule(None)
                has_begun = True
            await send(message)

        try:
            async with limit:
                with deadline_scope(left_s):
                    await self._app(scope, receive, sending)
        except TimeoutError:
            if has_begun or not limit.expired():
                raise
            await _problem(send, 504, "Too late", f"not done within the {left_s:.3f} s that the caller gave")


class LoadShedMiddleware:
    """Refuses at once, with 503 and Retry-After, what it could not serve in time.

    max_concurrent: requests that run at once. max_wait_s: what would wait longer is refused, by the service
    time seen lately; a nearer deadline of the request counts in its place. Batch work is admitted to half of
    that wait, served after interactive work, and makes room for it. is_batch: which requests are batch work;
    by default those with `priority_header: batch`. exempt: paths that are never queued, and all below them.
    """

    def __init__(
        self,
        app: App,
        *,
        max_concurrent: int = 64,
        max_wait_s: float = 1.0,
        priority_header: str = "x-request-priority",
        is_batch: Callable[[Scope], bool] | None = None,
        exempt: Iterable[str] = EXEMPT,
    ) -> None:
        self._app = app
        self.queue = Queue(max_concurrent, max_wait_s)
        self._is_batch = is_batch or (lambda scope: _header(scope, priority_header) == "batch")
        self._exempt = tuple(exempt)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_exempt(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            place = await self.queue.enter(is_batch=self._is_batch(scope), within_s=_time_left_s(scope))
        except Shed as shed:
            retry_after_s = str(max(1, math.ceil(shed.wait_s)))
            await _problem(send, 503, "Too busy", str(shed), (b"retry-after", retry_after_s.encode()))
            return
        with place:
            await self._app(scope, receive, send)

    def _is_exempt(self, path: str) -> bool:
        return any(path == root or path.startswith(f"{root}/") for root in self._exempt)


def _time_left_s(scope: Scope) -> float:
    header = _header(scope, DEADLINE_HEADER)
    try:
        return remaining_s() if header is None else min(remaining_s(), deadline_from_header(header))
    except ValueError:
        return remaining_s()  # DeadlineMiddleware answers it


def _header(scope: Scope, name: str) -> str | None:
    wanted = name.encode()
    for key, value in scope["headers"]:
        if key == wanted:
            return bytes(value).decode("latin-1")
    return None


async def _problem(send: Send, status: int, title: str, detail: str, *headers: tuple[bytes, bytes]) -> None:
    body = json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail}).encode()
    kind, length = (b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [kind, length, *headers]})
    await send({"type": "http.response.body", "body": body})
