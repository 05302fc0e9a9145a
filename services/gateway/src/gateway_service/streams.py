"""WebSockets at the front door: passed on to the owner of their path, both ways, each side at the pace of the other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from pynomaly_chassis.admin import Admin
from pynomaly_chassis.middleware import request_id_of
from pynomaly_chassis.problems import ProblemError, problem_response
from pynomaly_contracts.admin import Flag
from pynomaly_contracts.routes import Route, route_of
from starlette.types import Receive, Scope, Send
from yarl import URL

from gateway_service.clients import Services
from gateway_service.errors import ServiceUnavailable
from gateway_service.proxy import inbound, target

HANDSHAKE_TIMEOUT_S, PING_S = 10.0, 20.0
GOING_AWAY, BAD_GATEWAY = 1001, 1014
# Codes that a close frame cannot carry: there was no frame, or it had none.
_NO_FRAME = (None, 1005, 1006, 1015)
_HANDSHAKE = "sec-websocket-"


class StreamProxy:
    """One WebSocket to the client, one to the service."""

    def __init__(self, services: Services, admin: Admin[Any], *, max_message_bytes: int) -> None:
        self._services, self._admin, self._max_bytes = services, admin, max_message_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = route_of(scope["path"])
        if route is None:
            raise ValueError(f"no other service owns {scope['path']}")
        scope["request_id"] = request_id_of(scope).decode()
        await receive()  # the client's wish to connect
        try:
            self._admin.flags.require(Flag.STREAMING)
            async with self._connected(route, scope) as service:
                await send({"type": "websocket.accept"})
                await _relay(service, receive, send, lambda: self._admin.flags.is_on(Flag.STREAMING))
        except ProblemError as error:
            await _deny(error, scope, send)

    @asynccontextmanager
    async def _connected(self, route: Route, scope: Scope) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        url: URL = target(self._services, route, scope)
        headers = inbound(scope, self._admin.is_bearer_of_token)
        for name in [name for name in headers if name.startswith(_HANDSHAKE)]:
            del headers[name]
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
                service = await self._services.http.ws_connect(
                    url, headers=headers, max_msg_size=self._max_bytes, heartbeat=PING_S
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ServiceUnavailable(
                f"the {route.owner} service takes no stream at {scope['path']}: try again", retry_after_s=1
            ) from error
        async with service:
            yield service


async def _deny(error: ProblemError, scope: Scope, send: Send) -> None:
    answer = problem_response(error, scope["request_id"])
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": answer.raw_headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})


async def _relay(
    service: aiohttp.ClientWebSocketResponse, receive: Receive, send: Send, is_on: Callable[[], bool]
) -> None:
    """Until either side closes, when the other is closed with the same code, or streams are switched off."""
    ways = [asyncio.create_task(_to_service(service, receive, is_on)), asyncio.create_task(_to_client(service, send))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        ends = await asyncio.gather(*ways, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, OSError):  # OSError: that side is gone
                raise end
    if ends[0] is True and isinstance(ends[1], asyncio.CancelledError):  # the client has not been told by the service
        await send({"type": "websocket.close", "code": GOING_AWAY, "reason": "streaming is switched off"})


async def _to_service(service: aiohttp.ClientWebSocketResponse, receive: Receive, is_on: Callable[[], bool]) -> bool:
    """Whether it ended because streams are switched off."""
    while (message := await receive())["type"] == "websocket.receive":
        if not is_on():
            return True
        if message.get("text") is None:
            await service.send_bytes(message["bytes"])
        else:
            await service.send_str(message["text"])
    code = message.get("code")
    await service.close(code=GOING_AWAY if code in _NO_FRAME else code)
    return False


async def _to_client(service: aiohttp.ClientWebSocketResponse, send: Send) -> None:
    async for message in service:
        if message.type is aiohttp.WSMsgType.TEXT:
            await send({"type": "websocket.send", "text": message.data})
        elif message.type is aiohttp.WSMsgType.BINARY:
            await send({"type": "websocket.send", "bytes": message.data})
    code = service.close_code
    await send({"type": "websocket.close", "code": BAD_GATEWAY if code in _NO_FRAME else code})
