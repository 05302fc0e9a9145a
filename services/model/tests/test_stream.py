"""WebSocket /api/v1/predict/stream, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from fastapi import FastAPI
from pynomaly_chassis.configuration import Live
from pynomaly_chassis.database import Database
from pynomaly_chassis.flags import Flags
from pynomaly_suite.served import served
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

Open = Callable[..., AbstractAsyncContextManager[ClientConnection]]
ROW = [1.0, 2.0, 3.0]


@pytest.fixture
def open_stream(app: FastAPI) -> Open:
    """A stream to an application that is served meanwhile; this test's own unless told otherwise."""

    @asynccontextmanager
    async def opened(other: FastAPI | None = None, **more: Any) -> AsyncIterator[ClientConnection]:
        async with (
            served(other or app, lifespan="off", websockets=True) as url,
            connect(url.replace("http", "ws") + "/api/v1/predict/stream", **more) as stream,
        ):
            yield stream

    return opened


async def ask(stream: ClientConnection, **message: Any) -> Any:
    await stream.send(json.dumps(message))
    return json.loads(await stream.recv())


async def test_rows_are_scored_one_by_one_or_many_at_a_time(register, open_stream: Open, name: str) -> None:
    version = await register(0.5)
    async with open_stream() as stream:
        one = await ask(stream, data=ROW, model_id=name, id=7)
        many = await ask(stream, data=[ROW, {"age": 0, "tsh": 0, "t3": 1}], model_id=name, return_confidence=True)
    assert (one["id"], one["raw_score"], one["model_version"]) == (7, 3.0, "1")
    assert one["model_id"] == version["model_id"]
    assert [row["raw_score"] for row in many["predictions"]] == [3.0, 0.5]
    assert "confidence" in many["predictions"][0]
    assert "id" not in many


async def test_bytes_are_answered_with_bytes(register, open_stream: Open, name: str) -> None:
    await register()
    async with open_stream() as stream:
        await stream.send(json.dumps({"data": ROW, "model_id": name, "id": "a:b"}).encode())
        answer = await stream.recv()
    assert isinstance(answer, bytes)
    assert json.loads(answer)["id"] == "a:b"


async def test_answers_come_in_the_order_of_their_messages(register, open_stream: Open, name: str) -> None:
    await register()
    sizes = [1, 5000, 1, 300, 1] * 10
    async with open_stream() as stream:

        async def send_all() -> None:
            for number, n_rows in enumerate(sizes):
                data = [number, 0, 0] if n_rows == 1 else [[number, 0, 0]] * n_rows
                await stream.send(json.dumps({"data": data, "model_id": name, "id": number}))

        sending = asyncio.create_task(send_all())
        answers = [json.loads(await stream.recv()) for _ in sizes]
        await sending
    assert [answer["id"] for answer in answers] == list(range(len(sizes)))
    assert [answer.get("total_processed", 1) for answer in answers] == sizes


@pytest.mark.parametrize(
    ("message", "status", "kind", "found_id"),
    [
        ('{"data": [1, 2], "id": 3}', 422, "/problems/validation", 3),
        ('{"data": [1, 2, "x"], "id": "x"}', 422, "/problems/validation", "x"),
        ('{"data": [[1, 2, 3], 7], "id": 3}', 422, "/problems/validation", 3),
        ('{"data": [], "id": 3}', 422, "/problems/validation", 3),
        ('{"id": 3}', 422, "/problems/validation", 3),
        ('{"data": [1, 2, 3], "id": 3, "extra": 1}', 422, "/problems/validation", 3),
        ('{"data": [1, 2, 3], "id": [3]}', 422, "/problems/validation", None),
        ('{"data": [1, 2, 3], "id": 123456789012345678901234567890}', 422, "/problems/validation", None),
        ('{"data": [1, 2, 3], "id": "\\ud800"}', 422, "/problems/validation", None),
        ('{"data": [1, 2, 3], "data": [1, 2, 3], "id": 3}', 422, "/problems/validation", None),
        ('{"data": [1, 2, 3], "model_id": "nobody", "id": 3}', 404, "/problems/not-found", 3),
        ('{"data": [1, 2, 3], "return_explanation": true, "id": 3}', 422, "/problems/not-offered", 3),
        ('{"data": [1.7e308, 1.7e308, 0], "id": 3}', 422, "/problems/score-not-finite", 3),
        ("[]", 422, "/problems/validation", None),
        ("", 400, "/problems/malformed-body", None),
        ("{", 400, "/problems/malformed-body", None),
        ("[" * 100_000, 400, "/problems/malformed-body", None),
    ],
)
async def test_a_wrong_message_is_answered_with_a_problem_and_the_stream_goes_on(
    *, register, client, open_stream: Open, name: str, message: str, status: int, kind: str, found_id: Any
) -> None:
    await register()
    await client.put("/api/v1/models/default", json={"model_id": name})
    async with open_stream() as stream:
        await stream.send(message)
        problem = json.loads(await stream.recv())
        assert (problem["status"], problem["type"], problem.get("id")) == (status, kind, found_id)
        assert (await ask(stream, data=ROW))["raw_score"] == 6
    await client.delete("/api/v1/models/default")


async def test_raw_values_are_scored(register, open_stream: Open, name: str, mixed: dict[str, Any]) -> None:
    await register(**mixed)
    row = [None, "Rome", True, "1970-01-01", "1970-01-01T00:00:00Z"]
    async with open_stream() as stream:
        assert (await ask(stream, data=row, model_id=name))["raw_score"] == 2017
        assert (await ask(stream, data=[row], model_id=name))["predictions"][0]["raw_score"] == 2017


async def test_a_message_over_the_limit_closes_the_stream(open_stream: Open) -> None:
    async with open_stream() as stream:
        await stream.send(b" " * 5_000_000)
        with pytest.raises(ConnectionClosed) as closed:
            await stream.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_a_stream_that_nobody_uses_is_closed(make_app, make_client, open_stream: Open) -> None:
    app = make_app(stream_idle_s=0.05)
    async with make_client(app), open_stream(app) as stream:
        with pytest.raises(ConnectionClosed) as closed:
            await stream.recv()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1000, "nothing was sent for 0.05 s")


async def test_a_service_that_ends_says_so(app: FastAPI) -> None:
    async with served(app, lifespan="off", websockets=True) as url:
        stream = await connect(url.replace("http", "ws") + "/api/v1/predict/stream")
        assert (await stream.ping()) is not None
    with pytest.raises(ConnectionClosed) as closed:
        await stream.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012


class Held:
    """Predictions that are answered when they may be."""

    def __init__(self) -> None:
        self.began, self.may_end = asyncio.Event(), asyncio.Event()

    async def message(self, _tenant_id: str, _body: bytes) -> bytes:
        self.began.set()
        await self.may_end.wait()
        return b"{}"


async def test_who_vanishes_before_the_answer_ends_the_stream_quietly(
    app: FastAPI, open_stream: Open, caplog: pytest.LogCaptureFixture
) -> None:
    held: Any = Held()
    app.state.streams = replace(app.state.streams, predictions=held)
    async with open_stream() as stream:
        await stream.send("{}")
        await held.began.wait()
        stream.transport.abort()
        async with open_stream() as later:  # by then the server knows
            await (await later.ping())
        held.may_end.set()
    assert app.state.streams.metrics.n_streams == 0
    assert "Exception in ASGI application" not in caplog.text


async def test_open_streams_are_counted_and_limited(make_app, make_client, open_stream: Open) -> None:
    app = make_app(max_streams=1)
    async with make_client(app) as client:
        async with served(app, lifespan="off", websockets=True) as url:
            address = url.replace("http", "ws") + "/api/v1/predict/stream"
            async with connect(address) as stream:
                await ask(stream, data=ROW)
                assert "model_websocket_connections 1.0" in (await client.get("/metrics")).text
                with pytest.raises(InvalidStatus) as refused:
                    await connect(address)
        assert "model_websocket_connections 0.0" in (await client.get("/metrics")).text
    assert refused.value.response.status_code == 503
    assert json.loads(refused.value.response.body)["type"] == "/problems/too-many-streams"


async def test_who_does_not_read_is_held_back(register, client, open_stream: Open, name: str) -> None:
    await register()
    message = json.dumps({"data": [[0, 0, 0]] * 2000, "model_id": name})
    async with open_stream(max_queue=1) as stream:
        n_sent = 0

        async def send_until_held() -> None:
            nonlocal n_sent
            while True:
                async with asyncio.timeout(2):
                    await stream.send(message)
                n_sent += 1

        with pytest.raises(TimeoutError):
            await send_until_held()
        figures = (await client.get("/metrics")).text
        stream.transport.abort()
    (line,) = (line for line in figures.splitlines() if line.startswith(f'model_predictions_total{{model="{name}"}}'))
    n_scored = float(line.rpartition(" ")[2]) / 2000
    assert n_scored < n_sent


async def test_streams_that_are_switched_off_are_refused_and_end_at_their_next_message(
    app: FastAPI, make_settings, open_stream: Open
) -> None:
    settings = make_settings()
    live = Live(settings)
    flags = Flags("model", live, Database.open(settings))
    app.state.streams = replace(app.state.streams, flags=flags)
    async with open_stream() as stream:
        assert (await ask(stream, data=ROW, id=1))["id"] == 1
        live.replace(settings.model_copy(update={"streaming_enabled": False}))
        with pytest.raises(ConnectionClosed) as closed:
            await ask(stream, data=ROW)
        with pytest.raises(InvalidStatus) as refused:
            async with open_stream():
                pass
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "streaming is switched off")
    assert json.loads(refused.value.response.body)["type"] == "/problems/feature-off"
