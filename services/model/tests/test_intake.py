"""The memory that the bodies of predict requests may take together."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pynomaly_chassis.problems import MalformedBody

JSON = {"content-type": "application/json"}
BATCH = "/api/v1/predict/batch"
LARGE = b" " * 600_000


class Sender:
    """A body that is sent as far as `LARGE` and goes on when it is told to."""

    def __init__(self) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def body(self) -> AsyncIterator[bytes]:
        yield LARGE
        self.begun.set()
        await self.go_on.wait()
        yield b"7"


async def test_large_bodies_together_over_the_cap_are_told_to_come_back(make_app, make_client) -> None:
    sender = Sender()
    async with make_client(make_app(scoring_body_bytes=1_000_000)) as client:
        first = asyncio.create_task(client.post(BATCH, content=sender.body(), headers=JSON))
        await sender.begun.wait()
        second = await client.post(BATCH, content=LARGE, headers=JSON)
        assert (second.status_code, second.json()["type"]) == (503, "/problems/scoring-busy")
        assert second.headers["retry-after"] == "1"
        small = await client.post(BATCH, content=b"7", headers=JSON)
        assert small.status_code == 422
        sender.go_on.set()
        assert (await first).status_code == 422
        assert (await client.post(BATCH, content=LARGE, headers=JSON)).json()["type"] == "/problems/malformed-body"


@pytest.mark.parametrize("path", [BATCH, "/v2/models/any/infer", "/invocations"])
async def test_a_large_body_that_stops_on_its_way_gives_its_room_back(make_app, make_client, path: str) -> None:
    async with make_client(make_app(scoring_body_bytes=1_000_000, body_stall_s=0.05)) as client:
        answer = await client.post(path, content=Sender().body(), headers=JSON)
        assert answer.status_code == 408
        assert "stopped for 0.05 s after 600000 bytes" in answer.text
        assert (await client.post(BATCH, content=LARGE, headers=JSON)).status_code == MalformedBody.status


async def test_a_body_over_the_cap_that_is_alone_is_read(make_app, make_client) -> None:
    async with make_client(make_app(scoring_body_bytes=1)) as client:
        answer = await client.post(BATCH, content=LARGE, headers=JSON)
    assert answer.status_code == MalformedBody.status
