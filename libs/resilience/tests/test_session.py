"""Calls to real peers on loopback that fail on cue."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import aiohttp
import pytest
from pynomaly_resilience import (
    DEADLINE_HEADER,
    AttemptTimeout,
    BulkheadFull,
    CallEvent,
    CallFailed,
    CallPolicy,
    CircuitOpen,
    ConnectionLost,
    DeadlineExceeded,
    PeerUnreachable,
    RateLimited,
    ResilientSession,
    RetryPolicy,
    deadline_scope,
)
from pynomaly_resilience.testing import FakeClock, FaultServer, hang, instant, reset, respond
from tenacity.wait import wait_fixed

if TYPE_CHECKING:
    from libs.resilience.tests.conftest import Caller


async def test_an_answer_comes_back_whole_and_is_told_to_the_hook(
    session: ResilientSession, peer: FaultServer, policy: CallPolicy, events: list[CallEvent]
) -> None:
    peer.play(respond(201, b'{"id": 7}'))
    async with session.request(
        "POST",
        f"{peer.url}/things",
        operation="create",
        dependency="things",
        policy=policy,
        headers={"x-trace": "t"},
        params={"dry": "1"},
        json={"a": 1},
    ) as response:
        assert (response.status, await response.json(), await response.text()) == (
            201,
            {"id": 7},
            '{"id": 7}',
        )
    (seen,) = peer.seen
    assert (seen.method, seen.path, json.loads(seen.body)) == ("POST", "/things?dry=1", {"a": 1})
    assert seen.headers["x-trace"] == "t"
    (event,) = events
    assert (event.dependency, event.operation, event.outcome, event.attempts) == ("things", "create", "ok", 1)
    assert 0 < event.duration_s < 10


async def test_a_4xx_or_429_is_an_answer_and_a_5xx_is_one_that_opens_the_breaker(
    caller: Caller, peer: FaultServer, events: list[CallEvent]
) -> None:
    peer.play(*[respond(404)] * 10, *[respond(429)] * 10, respond(503))
    statuses = [await caller.ask() for _ in range(23)]
    assert statuses == [404] * 10 + [429] * 10 + [503] * 3
    assert [event.outcome for event in events[-4:]] == ["ok"] + ["server_error"] * 3
    with pytest.raises(CircuitOpen) as caught:
        await caller.ask()
    assert caught.value.retry_after_s == 5.0
    assert len(peer.seen) == 23
    assert events[-1].outcome == "circuit_open"
    assert events[-1].attempts == 0


async def test_once_the_peer_is_back_three_probes_close_the_breaker(
    caller: Caller, peer: FaultServer, clock: FakeClock
) -> None:
    peer.play(*[respond(500)] * 3, respond())
    for _ in range(3):
        await caller.ask()
    clock.advance(5.0)
    statuses = [await caller.ask() for _ in range(3)]
    assert (statuses, caller.state) == ([200] * 3, "closed")


async def test_of_fifty_concurrent_calls_exactly_three_reach_a_peer_on_trial(
    caller: Caller, peer: FaultServer, clock: FakeClock
) -> None:
    peer.play(*[respond(500)] * 3, hang())
    for _ in range(3):
        await caller.ask()
    clock.advance(5.0)
    calls = [asyncio.create_task(caller.ask()) for _ in range(50)]
    async with asyncio.timeout(10):
        await peer.wait_until(lambda peer: peer.n_waiting == 3)
    refused = [call for call in calls if call.done()]
    assert len(refused) == 47
    assert {type(call.exception()) for call in refused} == {CircuitOpen}
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    peer.play(respond())
    assert [await caller.ask() for _ in range(3)] == [200] * 3
    assert caller.state == "closed"


async def test_a_thousand_cancelled_calls_leave_nothing_behind(
    caller: Caller, peer: FaultServer, policy: CallPolicy, events: list[CallEvent]
) -> None:
    patient = dataclasses.replace(policy, connect_timeout_s=60.0, attempt_timeout_s=60.0, total_timeout_s=120.0)
    assert await caller.ask() == 200
    n_tasks = len(asyncio.all_tasks())
    peer.play(hang())
    for _ in range(10):
        calls = [asyncio.create_task(caller.ask(patient, "POST")) for _ in range(100)]
        async with asyncio.timeout(60):
            await peer.wait_until(lambda peer: peer.n_waiting == 100)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            await peer.wait_until(lambda peer: peer.n_waiting == 0)
    assert [event.outcome for event in events[1:]] == ["cancelled"] * 1000
    assert caller.state == "closed"
    peer.play(respond())
    assert [await caller.ask() for _ in range(20)] == [200] * 20
    assert len(asyncio.all_tasks()) == n_tasks
    assert peer.n_connections == 1


async def test_a_refused_connection_is_tried_once_more_and_then_given_up_in_time(
    caller: Caller, peer: FaultServer, policy: CallPolicy, events: list[CallEvent]
) -> None:
    await peer.refuse()
    started_s = time.monotonic()
    with pytest.raises(PeerUnreachable) as caught:
        await caller.ask(method="POST")
    assert time.monotonic() - started_s < policy.total_timeout_s
    assert caught.value.retry_after_s == 1.0
    assert (events[0].outcome, events[0].attempts) == ("unreachable", 2)
    await peer.accept()
    assert await caller.ask() == 200


async def test_the_second_attempt_finds_a_peer_that_came_back(
    caller: Caller, peer: FaultServer, events: list[CallEvent]
) -> None:
    await peer.refuse()
    refusals: list[object] = []

    class ReturningConnector(aiohttp.TCPConnector):
        async def connect(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]  # only passes on
            if refusals:
                await peer.accept()
            refusals.append(args)
            return await super().connect(*args, **kwargs)  # type: ignore[arg-type]  # only passes on

    async with (
        aiohttp.ClientSession(connector=ReturningConnector()) as http,
        ResilientSession(http, on_event=events.append) as session,
    ):
        assert await dataclasses.replace(caller, session=session).ask(method="POST") == 200
    assert events[0].attempts == 2


@pytest.mark.parametrize("refused", [True, False])
async def test_a_body_that_cannot_be_sent_again_is_sent_once(
    session: ResilientSession, peer: FaultServer, policy: CallPolicy, events: list[CallEvent], refused: bool
) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    peer.play(reset())
    if refused:
        await peer.refuse()
    call = session.request("PUT", peer.url, operation="store", policy=policy, data=chunks())
    with pytest.raises(PeerUnreachable if refused else ConnectionLost):
        await call.__aenter__()
    assert events[0].attempts == 1
    assert [seen.body for seen in peer.seen] == ([] if refused else [b"onetwo"])


@pytest.mark.parametrize(("idempotent", "n_sent"), [(None, 1), (False, 1), (True, 2)])
async def test_a_reset_is_tried_again_only_where_doing_it_twice_does_no_harm(
    session: ResilientSession, peer: FaultServer, policy: CallPolicy, idempotent: bool | None, n_sent: int
) -> None:
    peer.play(reset())
    call = session.request("POST", peer.url, operation="ask", policy=policy, data=b"x", idempotent=idempotent)
    with pytest.raises(ConnectionLost):
        await call.__aenter__()
    assert len(peer.seen) == n_sent


async def test_an_open_breaker_is_not_tried_again(caller: Caller, peer: FaultServer, events: list[CallEvent]) -> None:
    await peer.refuse()
    with pytest.raises(PeerUnreachable):
        await caller.ask()
    with pytest.raises(CircuitOpen):
        await caller.ask()
    assert [event.attempts for event in events] == [2, 1]


async def test_a_hung_peer_fails_by_the_attempt_timeout_and_opens_the_breaker(
    caller: Caller, peer: FaultServer, policy: CallPolicy
) -> None:
    peer.play(hang())
    quick = dataclasses.replace(policy, attempt_timeout_s=0.1, total_timeout_s=0.2)
    started_s = time.monotonic()
    for _ in range(3):
        with pytest.raises(AttemptTimeout):
            await caller.ask(quick)
    assert 0.3 <= time.monotonic() - started_s < 3.0
    assert caller.state == "open"


async def test_slow_headers_use_up_the_attempt_too(caller: Caller, peer: FaultServer, policy: CallPolicy) -> None:
    peer.play(respond(delay_s=30.0))
    only_one = dataclasses.replace(policy, attempt_timeout_s=0.1, total_timeout_s=0.1, attempts=1)
    with pytest.raises(AttemptTimeout):
        await caller.ask(only_one)


async def test_the_callers_own_deadline_is_kept_and_not_held_against_the_peer(
    caller: Caller, peer: FaultServer, events: list[CallEvent]
) -> None:
    peer.play(hang())
    started_s = time.monotonic()
    for _ in range(3):
        with deadline_scope(0.15), pytest.raises(DeadlineExceeded):
            await caller.ask()
    assert time.monotonic() - started_s < 4.0
    assert caller.state == "closed"
    assert [event.outcome for event in events] == ["deadline_exceeded"] * 3


async def test_work_that_is_already_late_is_not_sent(caller: Caller, peer: FaultServer) -> None:
    with deadline_scope(0.05), pytest.raises(DeadlineExceeded):
        await caller.ask()
    assert peer.seen == []


async def test_the_peer_is_told_the_time_left_less_fifty_milliseconds(
    caller: Caller, session: ResilientSession, peer: FaultServer, policy: CallPolicy
) -> None:
    forwarded = {DEADLINE_HEADER: "999999"}
    async with session.request("GET", peer.url, operation="ask", policy=policy, headers=forwarded):
        pass
    with deadline_scope(5.0):
        await caller.ask()
    at_first, in_scope = (int(seen.headers[DEADLINE_HEADER]) for seen in peer.seen)
    assert at_first == 19_950
    assert 4_000 < in_scope <= 4_950


async def test_a_url_that_is_none_is_the_callers_mistake_and_uses_up_no_probe(
    caller: Caller, session: ResilientSession, policy: CallPolicy, events: list[CallEvent], clock: FakeClock
) -> None:
    for _ in range(3):
        session.breakers.get("peer:21", "ask", policy.breaker).acquire().failure()
    clock.advance(5.0)
    for _ in range(4):
        with pytest.raises(aiohttp.NonHttpUrlClientError):
            await session.request("GET", "ftp://peer/", operation="ask", policy=policy).__aenter__()
    assert [event.outcome for event in events] == ["error"] * 4
    assert caller.state == "half_open"


async def test_a_session_that_was_handed_in_stays_open() -> None:
    async with aiohttp.ClientSession() as http:
        async with ResilientSession(http):
            assert not http.closed
        assert not http.closed


async def test_every_way_to_fail_is_a_call_failed() -> None:
    got_no_answer = {PeerUnreachable, ConnectionLost, AttemptTimeout, DeadlineExceeded}
    kinds = got_no_answer | {CircuitOpen, BulkheadFull, RateLimited}
    assert {kind for kind in CallFailed.__subclasses__() if not kind.__name__.startswith("_")} == kinds
    assert len({kind.outcome for kind in kinds}) == 7


async def test_an_answer_that_the_callers_own_deadline_ran_out_does_not_count_against_the_peer(
    caller: Caller, peer: FaultServer
) -> None:
    peer.play(respond(504))
    for _ in range(4):
        with deadline_scope(5.0):
            assert await caller.ask() == 504
    assert caller.state == "closed"
    for _ in range(3):
        assert await caller.ask() == 504
    assert caller.state == "open"


async def test_a_session_in_instant_mode_does_not_wait_between_tries(
    caller: Caller, peer: FaultServer, policy: CallPolicy, clock: FakeClock
) -> None:
    peer.play(respond(503), respond(503), respond(200))
    slow = RetryPolicy(on="failure", wait=wait_fixed(3))
    patient = dataclasses.replace(policy, total_timeout_s=3600.0, attempts=3, retry=slow)
    began_s = time.monotonic()
    async with ResilientSession(resilience=instant(clock)) as session:
        assert await dataclasses.replace(caller, session=session).ask(patient) == 200
    assert clock.now_s == 1006.0
    assert time.monotonic() - began_s < 3.0
