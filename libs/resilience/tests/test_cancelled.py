"""A thousand cancelled calls: no state moves, nothing is left behind, and the calls after them pass."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import psutil
from pynomaly_resilience import (
    BulkheadPolicy,
    CallEvent,
    CallPolicy,
    HedgePolicy,
    Resilience,
    ResilientSession,
    RetryPolicy,
    resilient,
)
from pynomaly_resilience.testing import FakeClock, FaultServer, hang, respond

N_AT_ONCE, N_ROUNDS = 100, 10
PLACES = BulkheadPolicy(max_concurrent=50, max_queue=50, max_wait_s=60.0)


def sockets_to(peer: FaultServer) -> int:
    """Connections of this process that lead to the peer, in whatever state."""
    port = urlsplit(peer.url).port
    return sum(bool(found.raddr) and found.raddr.port == port for found in psutil.Process().net_connections(kind="tcp"))


async def ask(session: ResilientSession, peer: FaultServer, policy: CallPolicy) -> int:
    async with session.request("GET", peer.url, operation="ask", policy=policy) as response:
        await response.read()
        return response.status


async def cancel(calls: list[asyncio.Task[int]]) -> None:
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def cancel_in_flight(start: Callable[[], Awaitable[int]], peer: FaultServer, n_at_peer: int) -> None:
    """A hundred calls at once, cancelled when so many have reached the peer; the others wait in a queue."""
    calls = [asyncio.ensure_future(start()) for _ in range(N_AT_ONCE)]
    async with asyncio.timeout(60):
        await peer.wait_until(lambda peer: peer.n_waiting == n_at_peer)
        await cancel([call for call in calls if isinstance(call, asyncio.Task)])
        await peer.wait_until(lambda peer: peer.n_waiting == 0)


async def test_a_thousand_cancelled_session_calls_leave_no_task_socket_place_or_count(
    shared: Resilience, peer: FaultServer, policy: CallPolicy, events: list[CallEvent]
) -> None:
    narrow = dataclasses.replace(policy, bulkhead=PLACES)
    async with ResilientSession(resilience=shared) as session:
        assert await ask(session, peer, narrow) == 200
        n_tasks, before = len(asyncio.all_tasks()), shared.breakers.snapshot()
        peer.play(hang())
        for _ in range(N_ROUNDS):
            await cancel_in_flight(lambda: ask(session, peer, narrow), peer, n_at_peer=50)
        assert [event.outcome for event in events[1:]] == ["cancelled"] * N_AT_ONCE * N_ROUNDS
        ((_, bulkhead),) = shared.bulkheads.items()
        assert (bulkhead.n_running, bulkhead.n_waiting) == (0, 0)
        assert shared.breakers.snapshot() == before
        peer.play(respond())
        assert [await ask(session, peer, narrow) for _ in range(20)] == [200] * 20
        assert len(asyncio.all_tasks()) == n_tasks
        assert sockets_to(peer) == 1
    assert sockets_to(peer) == 0


async def test_cancelled_probes_give_their_leases_back_a_thousand_times(
    shared: Resilience, peer: FaultServer, policy: CallPolicy, clock: FakeClock
) -> None:
    async with ResilientSession(resilience=shared) as session:
        peer.play(*[respond(500)] * 3, hang())
        for _ in range(3):
            await ask(session, peer, policy)
        clock.advance(5.0)
        for _ in range(N_ROUNDS):
            await cancel_in_flight(lambda: ask(session, peer, policy), peer, n_at_peer=3)
        assert [status["state"] for status in shared.breakers.snapshot()] == ["half_open"]
        peer.play(respond())
        assert [await ask(session, peer, policy) for _ in range(20)] == [200] * 20
        assert [status["state"] for status in shared.breakers.snapshot()] == ["closed"]


async def test_a_thousand_cancelled_decorated_calls_and_their_hedges_leave_no_task_or_place(
    shared: Resilience, events: list[CallEvent]
) -> None:
    hedge, plenty = HedgePolicy(delay_s=0.001), RetryPolicy(budget_per_s=1000.0)
    crowd = BulkheadPolicy(max_concurrent=2000)
    hedging = CallPolicy(attempt_timeout_s=60, total_timeout_s=120, bulkhead=crowd, hedge=hedge, retry=plenty)
    go, n_begun = asyncio.Event(), 0
    all_hedged = asyncio.Event()

    @resilient("peer", "ask", policy=hedging, idempotent=True, resilience=shared)
    async def work() -> int:
        nonlocal n_begun
        n_begun += 1
        if n_begun == 2 * N_AT_ONCE * N_ROUNDS:
            all_hedged.set()
        await go.wait()
        return 200

    n_tasks = len(asyncio.all_tasks())
    calls = [asyncio.create_task(work()) for _ in range(N_AT_ONCE * N_ROUNDS)]
    async with asyncio.timeout(60):
        await all_hedged.wait()
        await cancel(calls)
    ((_, bulkhead),) = shared.bulkheads.items()
    assert (bulkhead.n_running, bulkhead.n_waiting) == (0, 0)
    assert len(asyncio.all_tasks()) == n_tasks
    assert {event.outcome for event in events} == {"cancelled"}
    go.set()
    assert [await work() for _ in range(20)] == [200] * 20
    assert [status["state"] for status in shared.breakers.snapshot()] == ["closed"]


async def test_probes_that_hang_at_the_peer_do_not_wedge_the_breaker(
    shared: Resilience, peer: FaultServer, policy: CallPolicy, clock: FakeClock
) -> None:
    async with ResilientSession(resilience=shared) as session:
        peer.play(*[respond(500)] * 3, hang())
        for _ in range(3):
            await ask(session, peer, policy)
        clock.advance(5.0)
        hung = [asyncio.create_task(ask(session, peer, policy)) for _ in range(3)]
        async with asyncio.timeout(60):
            await peer.wait_until(lambda peer: peer.n_waiting == 3)
        clock.advance(policy.breaker.probe_lease_s)
        peer.play(respond())
        assert [await ask(session, peer, policy) for _ in range(3)] == [200] * 3
        assert [status["state"] for status in shared.breakers.snapshot()] == ["closed"]
        await cancel(hung)
