"""A real server at twice the load that it can carry: it goes on working, and says no at once to the rest."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

SERVER = """
import socket
import time

import uvicorn
from pynomaly_resilience.asgi import LoadShedMiddleware

async def app(scope, receive, send):
    end_s = time.thread_time() + 0.003
    while time.thread_time() < end_s:
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})

listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
shedding = LoadShedMiddleware(app, max_concurrent=2, max_wait_s=0.05)
server = uvicorn.Server(uvicorn.Config(shedding, lifespan="off", log_level="critical"))
server.run([listening])
"""
SPAN_S = 1.5
Answers = list[tuple[int, float]]  # status, seconds


@pytest.fixture
async def url() -> AsyncIterator[str]:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    yield f"http://127.0.0.1:{(await child.stdout.readline()).decode().strip()}"
    child.kill()
    await child.wait()


async def ask(http: aiohttp.ClientSession, url: str, into: Answers) -> None:
    began_s = time.monotonic()
    async with http.get(url) as response:
        await response.read()
        into.append((response.status, time.monotonic() - began_s))


async def goodput_at_the_knee(http: aiohttp.ClientSession, url: str) -> float:
    """Answers per second for four callers that each ask again as soon as they are answered."""
    answers: Answers = []
    end_s = time.monotonic() + SPAN_S

    async def caller() -> None:
        while time.monotonic() < end_s:
            await ask(http, url, answers)

    await asyncio.gather(*[caller() for _ in range(4)])
    return sum(status == 200 for status, _ in answers) / SPAN_S


async def answers_at(http: aiohttp.ClientSession, url: str, per_s: float) -> Answers:
    """Requests that come at their own pace, whether or not those before are answered."""
    answers: Answers = []
    began_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(int(per_s * SPAN_S)):
            await asyncio.sleep(began_s + number / per_s - time.monotonic())
            group.create_task(ask(http, url, answers))
    return answers


async def test_at_twice_the_knee_the_work_goes_on_and_the_rest_is_refused_at_once(url: str) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await goodput_at_the_knee(http, url)
        peak_per_s = await goodput_at_the_knee(http, url)
        began_s = time.monotonic()
        answers = await answers_at(http, url, 2 * peak_per_s)
        took_s = time.monotonic() - began_s
    assert {status for status, _ in answers} == {200, 503}
    assert sum(status == 200 for status, _ in answers) / took_s > 0.1 * peak_per_s
    assert statistics.median(wait_s for status, wait_s in answers if status == 503) < 0.5
