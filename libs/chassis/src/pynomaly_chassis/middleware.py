"""The outermost layer of every service, as plain ASGI: ids and headers that travel, metrics, body caps, last catch."""

import re
import time
from collections.abc import Callable

import structlog
from pynomaly_contracts.headers import REQUEST_ID, SERVED_BY
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pynomaly_chassis.ids import new_request_id
from pynomaly_chassis.metrics import HttpMetrics
from pynomaly_chassis.problem_handlers import ErrorForms, Render
from pynomaly_chassis.problems import BodyTooLarge, ProblemError
from pynomaly_chassis.travelling import carrying, travelling

log = structlog.get_logger()
_REQUEST_ID = REQUEST_ID.encode()
_SERVED_BY = SERVED_BY.encode()
_SAFE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
SLOW_S = 5.0

BodyLimit = Callable[[str], int]
"""The most bytes that a request to this path may carry."""


class RequestMiddleware:
    """Wraps the whole application. `served_by` is said on every answer that does not say it already."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: HttpMetrics,
        body_limit: BodyLimit,
        served_by: str,
        forms: ErrorForms | None = None,
    ) -> None:
        self.app, self.metrics, self.body_limit = app, metrics, body_limit
        self._served_by, self._forms = served_by.encode(), forms or ErrorForms()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self._served_by)
        self.metrics.n_active += 1
        try:
            with carrying(travelling(scope) | {REQUEST_ID: exchange.request_id}):
                await self._answer(scope, receive, exchange)
        finally:
            self.metrics.n_active -= 1
            self._record(scope, exchange)

    async def _answer(self, scope: Scope, receive: Receive, exchange: "_Exchange") -> None:
        limit = self.body_limit(scope["path"])
        try:
            _refuse_declared(scope, limit)
            await self.app(scope, _capped(receive, limit), exchange.send)
        except ProblemError as error:
            await exchange.fail(scope, error, self._forms.of(scope["path"]))
        except ClientDisconnect:
            return  # nobody is there to be answered; it counts as 499
        except Exception:
            log.exception("request.failed", path=scope["path"], request_id=exchange.request_id)
            broken = ProblemError("something broke here; the log has it by this id")
            await exchange.fail(scope, broken, self._forms.of(scope["path"]))

    def _record(self, scope: Scope, exchange: "_Exchange") -> None:
        route = getattr(scope.get("route"), "path", None) or "unmatched"
        duration_s = time.perf_counter() - exchange.began
        method = known_method(scope)
        self.metrics.observe(method, route, exchange.status, duration_s)
        if exchange.status >= 400 or duration_s > SLOW_S:
            log.info(
                "request.answered",
                method=method,
                path=scope["path"],
                status=exchange.status,
                duration_s=round(duration_s, 6),
                request_id=exchange.request_id,
            )


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def known_method(scope: Scope) -> str:
    """The request's method, for a label: senders invent no more of them."""
    method: str = scope["method"]
    return method if method in _METHODS else "OTHER"


class _Exchange:
    """One request and what has been sent for it."""

    __slots__ = ("_id", "_send", "_served_by", "began", "request_id", "started", "status")

    def __init__(self, scope: Scope, send: Send, served_by: bytes) -> None:
        self.began = time.perf_counter()
        self.status, self.started, self._send = 499, False, send  # 499: the client went away first
        self._id, self._served_by = request_id_of(scope), served_by
        self.request_id = scope["request_id"] = self._id.decode()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.started = message["status"], True
            headers = message["headers"]
            headers.append((_REQUEST_ID, self._id))
            if not any(name == _SERVED_BY for name, _ in headers):
                headers.append((_SERVED_BY, self._served_by))
        await self._send(message)

    async def fail(self, scope: Scope, error: ProblemError, render: Render) -> None:
        if self.started:
            raise ConnectionAbortedError("the answer broke off") from error
        await render(error, self.request_id)(scope, _nothing, self.send)


def request_id_of(scope: Scope) -> bytes:
    """The id that the request brought, if it is a safe one, or a new one."""
    for name, value in scope["headers"]:
        if name == _REQUEST_ID and _SAFE_ID.fullmatch(value):
            return bytes(value)
    return new_request_id().encode()


def _refuse_declared(scope: Scope, limit: int) -> None:
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise _too_large(limit)


def _capped(receive: Receive, limit: int) -> Receive:
    n_bytes = 0

    async def counted() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        if n_bytes > limit:
            raise _too_large(limit)
        return message

    return counted


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"the body is over {limit} bytes; send less at a time", limit_bytes=limit)


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
