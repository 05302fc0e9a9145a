"""Bodies of calls and answers: whole, streamed, broken off, silent."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from pynomaly_resilience import (
    AttemptTimeout,
    CallEvent,
    CallPolicy,
    ConnectionLost,
    ResilientSession,
)
from pynomaly_resilience.testing import FaultServer, half_body

if TYPE_CHECKING:
    from libs.resilience.tests.conftest import Caller


async def test_a_body_that_breaks_off_counts_as_a_failure(
    caller: Caller, peer: FaultServer, events: list[CallEvent]
) -> None:
    peer.play(half_body())
    for _ in range(3):
        with pytest.raises(ConnectionLost):
            await caller.ask()
    assert [event.outcome for event in events] == ["connection_lost"] * 3
    assert caller.state == "open"


async def test_a_body_read_at_once_has_what_is_left_of_the_attempt(
    caller: Caller, peer: FaultServer, policy: CallPolicy
) -> None:
    peer.play(half_body(then_hang=True))
    with pytest.raises(AttemptTimeout):
        await caller.ask(dataclasses.replace(policy, attempt_timeout_s=0.2))


async def test_a_streamed_body_may_outlast_the_attempt_but_not_fall_silent(
    session: ResilientSession, peer: FaultServer, policy: CallPolicy
) -> None:
    peer.play(half_body(then_hang=True))
    patient = dataclasses.replace(policy, attempt_timeout_s=0.2, idle_timeout_s=0.5)
    started_s = time.monotonic()
    async with session.request("GET", peer.url, operation="ask", policy=patient) as response:
        chunks = response.iter_chunks()
        received = await anext(chunks)
        with pytest.raises(AttemptTimeout):
            await anext(chunks)
    assert received == b'{"half":'
    assert time.monotonic() - started_s >= 0.5


async def test_bodies_stream_both_ways_at_once(
    session: ResilientSession, peer: FaultServer, policy: CallPolicy
) -> None:
    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for part in (b"first", b"second"):
            await response.write(part)
            await may_go_on.wait()
        return response

    async def upload() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"u" * 65536

    may_go_on = asyncio.Event()
    peer.play(echo)
    call = session.request("POST", peer.url, operation="pipe", policy=policy, data=upload())
    async with asyncio.timeout(20), call as response:
        chunks = response.iter_chunks()
        received = await anext(chunks)
        may_go_on.set()
        received += b"".join([chunk async for chunk in chunks])
    assert received == b"firstsecond"
    assert len(peer.seen[0].body) == 64 * 65536


async def test_an_upload_that_fails_by_itself_comes_out_as_it_is_and_is_not_the_peers_fault(
    caller: Caller, session: ResilientSession, peer: FaultServer, policy: CallPolicy, events: list[CallEvent]
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"one"
        raise LookupError("the sender went away")

    for _ in range(3):
        call = session.request("POST", peer.url, operation="store", policy=policy, data=broken())
        with pytest.raises(LookupError, match="the sender went away"):
            await call.__aenter__()
    assert caller.state == "closed"
    assert [event.outcome for event in events] == ["error"] * 3


async def test_an_error_in_the_callers_own_block_is_no_failure_of_the_call(
    caller: Caller, session: ResilientSession, peer: FaultServer, policy: CallPolicy, events: list[CallEvent]
) -> None:
    with pytest.raises(KeyError):
        async with session.request("GET", peer.url, operation="ask", policy=policy):
            raise KeyError("mine")
    assert (events[0].outcome, caller.state) == ("ok", "closed")


async def test_a_proxy_gets_redirects_and_compressed_bodies_as_they_came(
    session: ResilientSession, peer: FaultServer, policy: CallPolicy
) -> None:
    async def elsewhere(request: web.BaseRequest) -> web.StreamResponse:
        response = web.Response(status=302, headers={"Location": "/elsewhere"}, body=b"gone " * 200)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    peer.play(elsewhere)
    async with session.request("GET", peer.url, operation="ask", policy=policy, decompress=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "/elsewhere")
        assert (await response.read()).startswith(b"\x1f\x8b")
    assert len(peer.seen) == 1
