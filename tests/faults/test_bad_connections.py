"""Connections that are cut, claim too much, crawl, or come by the hundred, and data that goes while it is used."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import pytest_asyncio
from pynomaly import Client
from pynomaly.errors import NotFound
from pynomaly_suite import Suite, temporary_suite

if TYPE_CHECKING:
    from tests.conftest import Until

PATH, CSV = "/api/v1/datasets", {"content-type": "text/csv"}
IDLE_S, SLACK, N_SLOW, N_UPLOADS = 2.0, 10, 200, 200
GIB, ROWS = 2**30, b"a,b\n" + b"1,2\n" * 200
BOUND_S = 10.0


@pytest.fixture(scope="module")
def suite() -> Iterator[Suite]:
    """Which waits two seconds for a silent sender."""
    with temporary_suite(settings={"UPLOAD_IDLE_TIMEOUT_S": str(IDLE_S)}) as running:
        yield running


@pytest_asyncio.fixture
async def http(suite: Suite) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(suite.ports.url("dataset"), connector=connector) as session:
        yield session


def spooled(suite: Suite) -> list[Path]:
    return [path for path in (suite.home.storage("dataset")).rglob("*.upload") if path.is_file()]


async def opened(suite: Suite, length: str, body: bytes, *, name: str) -> tuple[asyncio.StreamReader, Any]:
    """An upload that has said how long it is, and sent this much."""
    reader, writer = await asyncio.open_connection("127.0.0.1", suite.ports.dataset)
    head = f"POST {PATH}?name={name} HTTP/1.1\r\nhost: x\r\ncontent-type: text/csv\r\n{length}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    return reader, writer


async def status_of(reader: asyncio.StreamReader) -> int:
    async with asyncio.timeout(IDLE_S * SLACK + 60):
        return int((await reader.readline()).split()[1])


async def names(http: aiohttp.ClientSession, prefix: str) -> list[str]:
    async with http.get(PATH, params={"limit": "100", "name": prefix}) as answer:
        return [item["name"] for item in (await answer.json())["items"]]


async def test_a_claim_of_ten_gigabytes_is_refused_before_they_come(suite: Suite) -> None:
    reader, writer = await opened(suite, f"content-length: {10 * GIB}", b"a,b\n" * 256, name="claimed")
    assert await status_of(reader) == 413
    writer.close()


@pytest.mark.parametrize(
    "length", ["content-length: 100000000", "transfer-encoding: chunked"], ids=["length", "chunks"]
)
async def test_a_sender_that_falls_silent_is_told_so(suite: Suite, http: aiohttp.ClientSession, length: str) -> None:
    body = ROWS if "length" in length else b"%x\r\n%b\r\n" % (len(ROWS), ROWS)
    began = time.monotonic()
    reader, writer = await opened(suite, length, body, name="silent")
    assert await status_of(reader) == 408
    assert IDLE_S <= time.monotonic() - began <= IDLE_S * SLACK
    writer.close()
    assert await names(http, "silent") == []


async def test_a_connection_that_is_cut_leaves_nothing(suite: Suite, http: aiohttp.ClientSession, until: Until) -> None:
    for number in range(20):
        _, writer = await opened(suite, "content-length: 50000000", ROWS * 50 * number, name="cut")
        writer.transport.abort()
    await asyncio.to_thread(until, lambda: spooled(suite) == [])
    assert await names(http, "cut") == []


async def test_two_hundred_crawling_connections_keep_nobody_waiting(suite: Suite, http: aiohttp.ClientSession) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(N_SLOW):
            _, writer = await asyncio.open_connection("127.0.0.1", suite.ports.dataset)
            stack.callback(writer.close)
            writer.write(b"POST /api/v1/datasets HTTP/1.1\r\nhost: x\r\nx-slow: ")
            await writer.drain()
        began = time.monotonic()
        async with http.get(PATH) as answer:
            assert answer.status == 200
        assert time.monotonic() - began <= SLACK


async def test_of_two_hundred_uploads_at_once_each_is_kept_or_told_to_come_again(
    http: aiohttp.ClientSession,
) -> None:
    async def one(number: int) -> tuple[int, bool]:
        async with http.post(PATH, params={"name": f"crowd-{number}"}, data=ROWS, headers=CSV) as answer:
            await answer.read()
            return answer.status, "retry-after" in answer.headers

    answers = await asyncio.gather(*(one(number) for number in range(N_UPLOADS)))
    kept = {f"crowd-{number}" for number, (status, _) in enumerate(answers) if status == 201}
    assert kept
    assert {answer for answer in answers if answer[0] != 201} <= {(503, True), (429, True)}
    for name in kept:
        async with http.get(f"{PATH}/{name}/rows", headers={"accept": "text/csv"}) as answer:
            assert (await answer.read()).split() == ROWS.split()
    async with http.get(PATH, params={"name": "crowd-", "limit": "100"}) as answer:
        first = await answer.json()
    assert {item["name"] for item in first["items"]} <= kept


def test_a_data_set_that_is_deleted_while_it_trains_is_trained_on_to_the_end(suite: Suite, until: Until) -> None:
    drawn = random.Random(1)
    rows = "".join(f"{drawn.random()},{drawn.random()},{drawn.random()}\n" for _ in range(3_000))
    with Client(suite.url) as client:
        made = client.datasets.upload(io.BytesIO(f"a,b,c\n{rows}".encode()), name="leaving")
        detector = client.detectors.create(name="staying", algorithm="LOF")
        job = client.detectors.train(detector.id, made.id)
        until(lambda: job.state().state == "running")
        client.datasets.delete(made.id)
        with pytest.raises(NotFound):
            client.datasets.get(made.id)
        trained = job.wait(progress=False)
        assert trained.n_rows == 3_000
        assert client.models.version("staying", "1").dataset_id == made.id


@pytest.mark.parametrize(
    "head",
    [
        b"GET /api/v1/datasets HTTP/1.1\r\nhost: x\r\nx: a\rb\r\n\r\n",
        b"GET /api/v1/datasets HTTP/1.1\r\nhost: x\r\nx: a\x00b\r\n\r\n",
        b"GET /api/v1/datasets HTTP/1.1\r\nhost: x\r\n folded: a\r\n\r\n",
        b"GET /api/v1/datasets\r\n HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /api/v1/datasets HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /api/v1/datasets HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST /api/v1/datasets HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["CR", "NUL", "folded", "a split line", "a negative length", "two lengths", "length and chunks", "TLS", "long"],
)
@pytest.mark.parametrize("service", ["dataset", "detector", "model", "gateway"])
async def test_a_head_that_is_no_http_is_a_400_or_the_end_of_the_connection(
    suite: Suite, service: str, head: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", suite.ports.of(service))
    writer.write(head)
    async with asyncio.timeout(60):
        whole = await reader.read()
    writer.close()
    said, _, body = whole.partition(b"\r\n\r\n")
    assert not said or int(said.split()[1]) in range(400, 500)
    assert not said or json.loads(body)["detail"]
    async with aiohttp.ClientSession(suite.ports.url(service)) as http, http.get("/health/live") as answer:
        assert answer.status == 200
