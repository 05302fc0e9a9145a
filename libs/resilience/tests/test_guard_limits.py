"""How many at once, how fast, and twice at once: bulkheads, rate limits and hedges under the decorator."""

from __future__ import annotations

import asyncio
import threading

import pytest
from pynomaly_resilience import (
    AttemptTimeout,
    BreakerPolicy,
    BulkheadFull,
    BulkheadPolicy,
    CallEvent,
    CallPolicy,
    HedgePolicy,
    RateLimit,
    RateLimited,
    Resilience,
    RetryPolicy,
    resilient,
)
from pynomaly_resilience.testing import FakeClock

BREAKER = BreakerPolicy(failure_rate=None, consecutive_failures=3, jitter=0.0)
POLICY = CallPolicy(
    attempt_timeout_s=10.0, total_timeout_s=30.0, attempts=3, retry=RetryPolicy(on="failure"), breaker=BREAKER
)
QUICK = CallPolicy(attempt_timeout_s=0.02, total_timeout_s=0.1, attempts=1, breaker=BREAKER)


async def test_the_bulkhead_seats_as_many_as_it_may_and_refuses_the_rest(shared: Resilience) -> None:
    narrow = CallPolicy(bulkhead=BulkheadPolicy(max_concurrent=2, max_queue=1), breaker=BREAKER)
    go, running = asyncio.Event(), 0

    @resilient("peer", "ask", policy=narrow, resilience=shared)
    async def ask() -> int:
        nonlocal running
        running += 1
        await go.wait()
        return running

    calls = [asyncio.create_task(ask()) for _ in range(5)]
    done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    assert running == 2
    assert {type(call.exception()) for call in done} == {BulkheadFull}
    go.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert len([answer for answer in answers if isinstance(answer, int)]) == 3


async def test_a_thousand_cancelled_calls_leave_no_place_taken(shared: Resilience, events: list[CallEvent]) -> None:
    narrow = CallPolicy(bulkhead=BulkheadPolicy(max_concurrent=10, max_queue=1000, max_wait_s=60), breaker=BREAKER)
    hold = asyncio.Event()

    @resilient("peer", "ask", policy=narrow, resilience=shared)
    async def ask() -> str:
        await hold.wait()
        return "ok"

    n_tasks = len(asyncio.all_tasks())
    calls = [asyncio.create_task(ask()) for _ in range(1000)]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert len(asyncio.all_tasks()) == n_tasks
    ((_, bulkhead),) = shared.bulkheads.items()
    assert (bulkhead.n_running, bulkhead.n_waiting) == (0, 0)
    hold.set()
    assert [await ask() for _ in range(20)] == ["ok"] * 20


def test_threads_wait_for_a_place_and_get_it(shared: Resilience) -> None:
    narrow = CallPolicy(bulkhead=BulkheadPolicy(max_concurrent=1, max_queue=20, max_wait_s=60), breaker=BREAKER)
    inside, most = 0, 0

    @resilient("peer", "ask", policy=narrow, resilience=shared)
    def ask() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        inside -= 1

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (most, inside) == (1, 0)


async def test_the_rate_limit_spaces_calls_after_a_burst_and_refuses_what_would_wait_too_long(
    shared: Resilience, clock: FakeClock
) -> None:
    slow = CallPolicy(rate_limit=RateLimit(calls_per_s=10, burst=2, max_wait_s=0.15), breaker=BREAKER)
    began: list[float] = []

    @resilient("peer", "ask", policy=slow, resilience=shared)
    async def ask() -> None:
        began.append(round(clock() - 1000.0, 6))

    for _ in range(4):
        await ask()
    assert began == [0.0, 0.0, 0.1, 0.2]
    ((_, limiter),) = shared._limiters.items()
    limiter.reserve(1.0)
    with pytest.raises(RateLimited) as caught:
        await ask()
    assert caught.value.retry_after_s == pytest.approx(0.2)


async def test_a_hedge_answers_for_a_first_try_that_hangs_and_leaves_no_task(shared: Resilience) -> None:
    hedging = CallPolicy(hedge=HedgePolicy(delay_s=0.005), breaker=BREAKER)
    n_calls = 0

    @resilient("peer", "ask", policy=hedging, idempotent=True, resilience=shared)
    async def ask() -> int:
        nonlocal n_calls
        n_calls += 1
        mine = n_calls
        if mine == 1:
            await asyncio.Event().wait()
        return mine

    n_tasks = len(asyncio.all_tasks())
    assert await ask() == 2
    assert len(asyncio.all_tasks()) == n_tasks


async def test_no_hedge_without_budget_nor_for_work_that_must_be_done_once(shared: Resilience) -> None:
    penniless = RetryPolicy(budget_share=0.0, budget_per_s=0.0)
    hedging = CallPolicy(hedge=HedgePolicy(delay_s=0.001), retry=penniless, attempt_timeout_s=0.05, breaker=BREAKER)
    n_calls = 0

    async def ask() -> None:
        nonlocal n_calls
        n_calls += 1
        await asyncio.Event().wait()

    for idempotent in (True, False):
        guarded = resilient("peer", "ask", policy=hedging, idempotent=idempotent, resilience=shared)(ask)
        with pytest.raises(AttemptTimeout):
            await guarded()
    assert n_calls == 2


@pytest.mark.parametrize("fails", [1, 2], ids=["the first fails", "the hedge fails"])
async def test_of_two_tries_that_end_together_the_good_one_answers(shared: Resilience, fails: int) -> None:
    hedging = CallPolicy(hedge=HedgePolicy(delay_s=0.001), breaker=BREAKER)
    n_calls, go_on = 0, asyncio.Event()

    @resilient("peer", "ask", policy=hedging, idempotent=True, resilience=shared)
    async def ask() -> int:
        nonlocal n_calls
        n_calls += 1
        mine = n_calls
        if mine == 2:
            asyncio.get_running_loop().call_soon(go_on.set)
        await go_on.wait()
        if mine == fails:
            raise OSError("gone")
        return mine

    for _ in range(20):  # which of the two is looked at first is by chance
        n_calls = 0
        go_on.clear()
        assert await ask() == 3 - fails
