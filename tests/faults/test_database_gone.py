"""The database stands still, then is gone, under load: what cannot be done is said in time, and nothing is lost."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import psutil
import pytest

if TYPE_CHECKING:
    from pynomaly_suite import Suite

OUTAGE_S = float(os.environ.get("FAULT_OUTAGE_S") or 30)
BOUND_S, RECOVERED_IN_S, SLACK, N_CLIENTS = 5.0, 5.0, 10, 6
CSV = {"content-type": "text/csv"}


@dataclass
class Load:
    """What clients asked, and what they were told."""

    http: aiohttp.ClientSession
    suite: Suite
    acknowledged: dict[str, list[str]] = field(default_factory=lambda: {"datasets": [], "detectors": []})
    refusals: Counter[tuple[int, bool]] = field(default_factory=Counter)
    slowest_s: float = 0.0
    began_ns: int = field(default_factory=time.time_ns)
    succeeded: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def client(self, numbers: itertools.count[int]) -> None:
        """Make data sets and detectors, and read them, until cancelled."""
        ports = self.suite.ports
        while True:
            name = f"load-{self.began_ns}-{next(numbers)}"
            url = f"{ports.url('dataset')}/api/v1/datasets"
            await self._ask("POST", f"{url}?name={name}", "datasets", name, data=b"a,b\n1,2\n", headers=CSV)
            detectors = f"{ports.url('detector')}/api/v1/detectors"
            await self._ask("POST", detectors, "detectors", name, json={"name": name, "algorithm": "HBOS"})
            await self._ask("GET", f"{ports.url('model')}/api/v1/models", "", "")
            await asyncio.sleep(0.1)

    async def _ask(self, method: str, url: str, made: str, name: str, **body: Any) -> None:
        began = time.monotonic()
        async with self.http.request(method, url, **body) as answer:
            await answer.read()
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        if answer.status >= 400:
            self.refusals[answer.status, "retry-after" in answer.headers] += 1
        elif made:
            self.acknowledged[made].append(name)
            async with self.succeeded:
                self.succeeded.notify_all()

    async def next_success(self) -> None:
        """Return at the next acknowledged write."""
        async with self.succeeded:
            await self.succeeded.wait()


@asynccontextmanager
async def under_load(suite: Suite) -> AsyncIterator[Load]:
    """Clients at work for the block."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(120)) as http:
        load, numbers = Load(http, suite), itertools.count()
        clients = [asyncio.create_task(load.client(numbers)) for _ in range(N_CLIENTS)]
        await load.next_success()
        yield load
        for client in clients:
            client.cancel()
        ended = await asyncio.gather(*clients, return_exceptions=True)
        assert {type(each) for each in ended} == {asyncio.CancelledError}, ended


@pytest.fixture
def pids(durable_suite: Suite) -> dict[str, int]:
    return {name: durable_suite.pid_of(name) for name in ("dataset", "detector", "model")}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", [signal.SIGSTOP, signal.SIGKILL], ids=["standing still", "gone"])
async def test_an_outage_of_the_database_is_a_503_in_time_that_ends_with_it(
    durable_suite: Suite, pids: dict[str, int], fault: signal.Signals
) -> None:
    async with under_load(durable_suite) as load:
        pid = durable_suite.pid_of("postgres")
        for stopped in [pid, *children_of(pid)]:
            os.kill(stopped, fault)
        await asyncio.sleep(OUTAGE_S)
        n_refused = load.refusals.total()
        began = time.monotonic()
        if fault == signal.SIGSTOP:
            for stopped in [pid, *children_of(pid)]:
                os.kill(stopped, signal.SIGCONT)
        else:
            await asyncio.to_thread(durable_suite.restart, "postgres")
        await load.next_success()
        took_s = time.monotonic() - began
    assert n_refused > 0
    assert set(load.refusals) == {(503, True)}
    assert load.slowest_s <= BOUND_S * SLACK
    assert took_s <= RECOVERED_IN_S * SLACK
    assert pids == {name: durable_suite.pid_of(name) for name in pids}
    await check_kept(durable_suite, load)


def children_of(pid: int) -> list[int]:
    return [each.pid for each in psutil.Process(pid).children(recursive=True)]


async def check_kept(suite: Suite, load: Load) -> None:
    """Every acknowledged write is there."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(120)) as http:
        for kind, service in (("datasets", "dataset"), ("detectors", "detector")):
            for name in load.acknowledged[kind]:
                assert await status_of(http, f"{suite.ports.url(service)}/api/v1/{kind}/{name}") == 200, name


async def status_of(http: aiohttp.ClientSession, url: str) -> int:
    """Where it has recovered: a circuit may stay open for some seconds."""
    async with asyncio.timeout(RECOVERED_IN_S * SLACK):
        for _ in itertools.count():
            async with http.get(url) as answer:
                if answer.status != 503:
                    return answer.status
            await asyncio.sleep(0.2)
    raise AssertionError("it counts without end")
