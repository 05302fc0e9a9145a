"""WebSockets through the front door, over real sockets."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import pytest
from aiohttp import WSCloseCode, web
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

if TYPE_CHECKING:
    from conftest import Peer

STREAM = "/api/v1/predict/stream"
Played = Callable[[web.WebSocketResponse], Awaitable[None]]


@pytest.fixture
def play(peer: "Peer") -> Callable[[Played], None]:
    """Lets the service answer WebSockets as told."""

    def played(act: Played) -> None:
        async def handle(request: web.Request) -> web.StreamResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await act(socket)
            return socket

        peer.handler = handle

    return played


def address(door: str, path: str = STREAM) -> str:
    return door.replace("http", "ws") + path


async def echo(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        await (socket.send_str if message.type is web.WSMsgType.TEXT else socket.send_bytes)(message.data)


async def test_texts_and_bytes_go_both_ways_in_order(door: str, peer: "Peer", play) -> None:
    play(echo)
    async with connect(address(door, STREAM + "?a=%20b"), additional_headers={"x-pynomaly-priority": "evil"}) as stream:
        for message in ("one", b"two", "three"):
            await stream.send(message)
        assert [await stream.recv() for _ in range(3)] == ["one", b"two", "three"]
    (request,) = peer.seen
    assert request.path_qs == STREAM + "?a=%20b"
    assert "x-pynomaly-priority" not in request.headers
    assert request.headers["x-request-id"]


async def test_a_service_that_closes_closes_the_client_with_its_code(door: str, play) -> None:
    async def restart(socket: web.WebSocketResponse) -> None:
        await socket.close(code=WSCloseCode.SERVICE_RESTART)

    play(restart)
    async with connect(address(door)) as stream:
        with pytest.raises(ConnectionClosed) as closed:
            await stream.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


async def test_a_client_that_closes_closes_the_service(door: str, play) -> None:
    ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def listen(socket: web.WebSocketResponse) -> None:
        await echo(socket)
        ended.set_result(socket.close_code)

    play(listen)
    stream = await connect(address(door))
    await stream.close(4000)
    async with asyncio.timeout(10):
        assert await ended == 4000


async def test_a_service_that_takes_no_stream_is_a_problem(door: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(address(door))
    assert refused.value.response.status_code == 503
    assert json.loads(refused.value.response.body)["type"] == "/problems/service-unavailable"


async def test_a_service_that_is_away_is_a_problem(door: str, peer: "Peer") -> None:
    await peer.stop()
    with pytest.raises(InvalidStatus) as refused:
        await connect(address(door))
    await peer.start()
    assert refused.value.response.status_code == 503


async def test_a_path_of_the_doors_own_takes_no_stream(door: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(address(door, "/nowhere"))
    assert refused.value.response.status_code == 403
