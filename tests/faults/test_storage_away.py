"""The object storage, a real S3 server behind a proxy, refuses and is slow: nothing half, and a way back."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
import pytest_asyncio
from pynomaly_resilience.testing import FaultProxy, Step, half_body, late, reset, respond
from pynomaly_suite import temporary_suite
from pynomaly_suite.testing import TemporaryS3, temporary_s3

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH, CSV = "/api/v1/datasets", {"content-type": "text/csv"}
ROWS = b"a,b\n" + b"".join(b"%d,%d\n" % (number, number) for number in range(500))
BOUND_S, SLOW_S, SLACK = 10.0, 2.0, 10


@pytest.fixture(scope="module")
def s3() -> Iterator[TemporaryS3]:
    with temporary_s3("kept") as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(s3: TemporaryS3) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(s3.url) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def datasets(s3: TemporaryS3, proxy: FaultProxy) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a dataset service whose bytes lie behind the proxy."""
    settings = {
        "STORAGE_TYPE": "s3",
        "AWS_S3_BUCKET": "kept",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": proxy.url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": s3.access_key_id,
        "AWS_SECRET_ACCESS_KEY": s3.secret_access_key,
    }
    starting = temporary_suite(settings=settings)
    suite = await asyncio.to_thread(starting.__enter__)
    timeout = aiohttp.ClientTimeout(110)
    async with aiohttp.ClientSession(suite.ports.url("dataset"), timeout=timeout) as session:
        yield session
    await asyncio.to_thread(starting.__exit__, None, None, None)


async def upload(datasets: aiohttp.ClientSession, name: str) -> tuple[int, str | None, float]:
    """Status, Retry-After, and how long it took."""
    began = time.monotonic()
    async with datasets.post(PATH, params={"name": name}, data=ROWS, headers=CSV) as answer:
        await answer.read()
        return answer.status, answer.headers.get("retry-after"), time.monotonic() - began


async def names(datasets: aiohttp.ClientSession) -> set[str]:
    async with datasets.get(PATH, params={"limit": "100"}) as answer:
        return {item["name"] for item in (await answer.json())["items"]}


async def until_stored(datasets: aiohttp.ClientSession, name: str) -> None:
    async with asyncio.timeout(BOUND_S * SLACK):
        for number in itertools.count():
            if (await upload(datasets, name))[0] == 201:
                return
            await asyncio.sleep(0.2 * bool(number))


@pytest.mark.parametrize(
    "fault",
    [respond(503), respond(500), reset(), half_body()],
    ids=["status 503", "status 500", "reset", "half an answer"],
)
async def test_a_storage_that_refuses_is_a_503_that_leaves_nothing(
    proxy: FaultProxy, datasets: aiohttp.ClientSession, fault: Step, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id.replace(" ", "-")
    await until_stored(datasets, f"before-{name}")
    proxy.play(fault)
    status, retry_after, took_s = await upload(datasets, f"refused-{name}")
    assert (status, retry_after is not None) == (503, True)
    assert took_s <= BOUND_S * SLACK
    async with datasets.get(f"{PATH}/before-{name}/rows") as answer:
        assert (answer.status, "retry-after" in answer.headers) == (503, True)
    proxy.play(proxy.forward)
    await until_stored(datasets, f"after-{name}")
    found = await names(datasets)
    assert {f"before-{name}", f"after-{name}"} <= found
    assert f"refused-{name}" not in found
    async with datasets.get(f"{PATH}/before-{name}/rows", headers={"accept": "text/csv"}) as answer:
        assert (await answer.read()).split() == ROWS.split()


async def test_a_slow_storage_is_waited_for_and_keeps_nobody_else_waiting(
    proxy: FaultProxy, datasets: aiohttp.ClientSession
) -> None:
    await until_stored(datasets, "before-slow")
    proxy.play(late(SLOW_S, proxy.forward))
    slow = [asyncio.create_task(upload(datasets, f"slow-{number}")) for number in range(4)]
    await proxy.wait_until(lambda server: server.n_waiting > 0)
    began = time.monotonic()
    assert "before-slow" in await names(datasets)
    assert time.monotonic() - began < SLOW_S
    assert [status for status, _, _ in await asyncio.gather(*slow)] == [201] * 4
    proxy.play(proxy.forward)
    assert {f"slow-{number}" for number in range(4)} <= await names(datasets)
