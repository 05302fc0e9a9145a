"""The front door: every path goes to its owner by the URL table, bodies streamed both ways.

Plain ASGI. A small body is held whole, so that a call whose connection failed can be made once more; a large one is
passed on as it comes, so that the slower side holds the faster one back.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass

from multidict import CIMultiDict
from pynomaly_chassis.pressure import SMALL_BODY, is_transfer
from pynomaly_contracts.headers import IDEMPOTENCY_KEY, INTERNAL, REQUEST_ID
from pynomaly_contracts.routes import ROUTES, Route, is_idempotent, route_of
from pynomaly_resilience import CallFailed, ResilientResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from yarl import URL

from gateway_service.clients import QUICK, UPLOAD, Services
from gateway_service.errors import problem_of

Headers = list[tuple[bytes, bytes]]
IsWithheld = Callable[[str], bool]
"""Whether an Authorization header is for the gateway alone."""
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade".split()
)
_STAYS_OUTSIDE = _HOP_BY_HOP | {b"host", REQUEST_ID.encode(), *(name.encode() for name in INTERNAL)}
_STAYS_INSIDE = _HOP_BY_HOP | {REQUEST_ID.encode(), b"date", b"server"}


class ClientGone(Exception):
    """The client closed its connection before the exchange was over."""


@dataclass(frozen=True)
class Matched:
    """What the metrics call a proxied route: its prefix, so that labels stay few."""

    path: str


class FrontDoor:
    """Sends each request to `proxy`, each WebSocket to `streams` or, where its path belongs to no other service, to
    `own`.
    """

    def __init__(self, own: ASGIApp, proxy: ASGIApp, streams: ASGIApp) -> None:
        self._own, self._passed_on = own, {"http": proxy, "websocket": streams}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        passed_on = kind in self._passed_on and route_of(scope["path"]) is not None
        await (self._passed_on[kind] if passed_on else self._own)(scope, receive, send)


class Proxy:
    """Answers the paths of other services by asking them."""

    def __init__(self, services: Services, is_withheld: IsWithheld) -> None:
        self._services, self._is_withheld = services, is_withheld
        self._matched = {route: Matched(route.prefix) for route in ROUTES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on and its answer back. Raises ServiceUnavailable (503) or ServiceTimeout (504)."""
        route = route_of(scope["path"])
        if route is None:
            raise ValueError(f"no other service owns {scope['path']}")
        scope["route"] = self._matched[route]
        try:
            await self._ask(route, scope, receive, send)
        except CallFailed as error:
            raise problem_of(error, route.owner) from error
        except ClientGone:
            return  # nobody is left to answer

    async def _ask(self, route: Route, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(scope, receive)
        call = self._services.session.request(
            scope["method"],
            target(self._services, route, scope),
            operation=route.prefix,
            dependency=route.owner,
            policy=QUICK if isinstance(body, bytes) else UPLOAD,
            idempotent=_may_be_repeated(scope),
            headers=inbound(scope, self._is_withheld),
            data=body or None,
            decompress=False,
        )
        async with AsyncExitStack() as open_calls:
            # While a body is passed on, its own reading meets the client's end.
            watched = _while_connected(receive) if isinstance(body, bytes) else nullcontext()
            async with watched:
                answer = await open_calls.enter_async_context(call)
                content = await answer.read() if _is_small(answer) else None
            await _hand_on(answer, content, receive, send)


def target(services: Services, route: Route, scope: Scope) -> URL:
    """Where the owner of the path has it."""
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    return URL(services.urls[route.owner] + path + (f"?{query}" if query else ""), encoded=True)


def _may_be_repeated(scope: Scope) -> bool:
    keyed = any(name == IDEMPOTENCY_KEY.encode() for name, _ in scope["headers"])
    return is_idempotent(scope["method"], scope["path"], has_idempotency_key=keyed)


def inbound(scope: Scope, is_withheld: IsWithheld) -> CIMultiDict[str]:
    """The client's headers, less what belongs to its connection or may only be set inside, and less the admin token."""
    headers: CIMultiDict[str] = CIMultiDict(
        [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in scope["headers"]
            if name not in _STAYS_OUTSIDE and not (name == b"authorization" and is_withheld(value.decode("latin-1")))
        ]
    )
    headers[REQUEST_ID] = scope["request_id"]
    client = scope["client"]
    headers.add("x-forwarded-for", client[0] if client else "unknown")
    headers["x-forwarded-proto"] = scope["scheme"]
    return headers


def _outbound(answer: ResilientResponse) -> Headers:
    return [(name.lower(), value) for name, value in answer.raw.raw_headers if name.lower() not in _STAYS_INSIDE]


async def _body(scope: Scope, receive: Receive) -> bytes | AsyncIterator[bytes]:
    """The request's body, whole if it says that it is small."""
    if is_transfer(scope):
        return _chunks(receive)
    return b"".join([chunk async for chunk in _chunks(receive)])


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        if message.get("body"):
            yield message["body"]
        more = message.get("more_body", False)


async def _hand_on(answer: ResilientResponse, content: bytes | None, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": _outbound(answer)})
    if content is not None:
        await send({"type": "http.response.body", "body": content})
        return
    async with _while_connected(receive):
        await _stream(answer, send)


def _is_small(answer: ResilientResponse) -> bool:
    length = answer.raw.content_length
    return answer.raw.method == "HEAD" or (length is not None and length <= SMALL_BODY)


async def _stream(answer: ResilientResponse, send: Send) -> None:
    async for chunk in answer.iter_chunks():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def _while_connected(receive: Receive) -> AsyncIterator[None]:
    """Stop the block when the client goes away: what nobody waits for is not asked for, and never a peer's fault."""
    working, is_watched, is_gone = asyncio.current_task(), True, False

    def stop(watch: asyncio.Task[None]) -> None:
        nonlocal is_gone
        if is_watched and working is not None and not watch.cancelled():
            is_gone = working.cancel()

    watch = asyncio.ensure_future(_disconnected(receive))
    watch.add_done_callback(stop)
    try:
        yield
    except asyncio.CancelledError as error:
        if is_gone and working is not None and working.uncancel() == 0:
            raise ClientGone from error
        raise
    finally:
        is_watched = False
        watch.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
