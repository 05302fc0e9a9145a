"""What no client should send is refused by its fault, never breaks a service, and takes none of its memory for good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import aiohttp
import psutil
import pytest
import pytest_asyncio
from hostile.bodies import all_bodies
from hostile.files import EXPANDED_LIMIT_BYTES, all_files
from pynomaly import Client
from pynomaly_suite import Suite, temporary_suite

if TYPE_CHECKING:
    from hostile.case import Case

N_AT_LEAST, N_AT_ONCE = 300, 4
RSS_GROWTH, MOST_ROUNDS = 1.05, 4
"""Allocators settle within a few rounds; what leaks grows in each."""
SERVICES = ("dataset", "detector", "model", "gateway")


@pytest.fixture(scope="module")
def suite() -> Iterator[Suite]:
    """With a data set and a detector, both called sound, and a low limit of what compressed files become."""
    limits = {"MAX_EXPANDED_SIZE": str(EXPANDED_LIMIT_BYTES), "POLARS_MAX_THREADS": "1"}
    with temporary_suite(settings=limits) as running:
        with Client(running.url) as client:
            client.datasets.upload([{"c0": 1, "c1": 2}, {"c0": 3, "c1": 4}], name="sound")
            client.detectors.create(name="sound", algorithm="HBOS")
        yield running


@pytest_asyncio.fixture
async def http(suite: Suite) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(suite.url, timeout=aiohttp.ClientTimeout(110)) as session:
        yield session


async def wrong_with(http: aiohttp.ClientSession, case: Case) -> str | None:
    """What the answer lacks; None where it is as it should be."""
    async with http.request(case.method, case.path, data=case.body, headers=case.headers) as answer:
        said = await answer.text()
        told = f"{case.name}: {answer.status} {said[:300]}"
        if case.taken and answer.status == 201:
            await _remove(http, answer)
            return None
        if not 400 <= answer.status < 500 or answer.content_type != "application/problem+json":
            return told
        named = case.says.lower() in said.lower() and (await answer.json(content_type=None))["detail"]
        return None if named else f"{told} does not say {case.says!r}"


async def _remove(http: aiohttp.ClientSession, made: aiohttp.ClientResponse) -> None:
    """What was taken, so that it is taken again."""
    async with http.delete(made.headers["location"]) as answer:
        answer.raise_for_status()


def resident_bytes(suite: Suite) -> dict[str, int]:
    return {name: psutil.Process(suite.pid_of(name)).memory_info().rss for name in SERVICES}


async def _all_wrong(http: aiohttp.ClientSession, cases: list[Case]) -> list[str]:
    turns = asyncio.Semaphore(N_AT_ONCE)

    async def one(case: Case) -> str | None:
        async with turns:
            return await wrong_with(http, case)

    return [wrong for wrong in await asyncio.gather(*(one(case) for case in cases)) if wrong is not None]


@pytest.mark.timeout(600)
async def test_every_hostile_input_is_refused_by_its_fault_and_costs_no_memory(
    suite: Suite, http: aiohttp.ClientSession
) -> None:
    cases = all_files() + all_bodies()
    assert len(cases) >= N_AT_LEAST
    wrong = await _all_wrong(http, cases)
    assert not wrong, "\n".join(wrong)
    grown: dict[str, float] = {}
    for _ in range(MOST_ROUNDS):
        before = resident_bytes(suite)
        assert await _all_wrong(http, cases) == []
        grown = {name: size / before[name] for name, size in resident_bytes(suite).items()}
        if max(grown.values()) <= RSS_GROWTH:
            return
    raise AssertionError(f"memory grows with each round: {grown}")
