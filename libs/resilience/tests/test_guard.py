"""One decorator on functions, coroutines and async generators."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator

import pytest
from pynomaly_resilience import (
    AttemptTimeout,
    BreakerPolicy,
    BulkheadFull,
    BulkheadPolicy,
    CallEvent,
    CallPolicy,
    CircuitBreakerError,
    CircuitOpen,
    DeadlineExceeded,
    PolicyError,
    Resilience,
    ResilienceSettings,
    RetryPolicy,
    attempts_of,
    deadline_scope,
    remaining_s,
    resilient,
)
from pynomaly_resilience.testing import FakeClock, instant

BREAKER = BreakerPolicy(failure_rate=None, consecutive_failures=3, jitter=0.0)
POLICY = CallPolicy(
    attempt_timeout_s=10.0, total_timeout_s=30.0, attempts=3, retry=RetryPolicy(on="failure"), breaker=BREAKER
)
QUICK = CallPolicy(attempt_timeout_s=0.02, total_timeout_s=0.1, attempts=1, breaker=BREAKER)


class Flaky:
    """Fails n times, then answers how often it was called."""

    def __init__(self, n_failures: int, error: Exception | None = None) -> None:
        self.n_calls, self.n_failures = 0, n_failures
        self.error = error or OSError("gone")

    def __call__(self) -> int:
        self.n_calls += 1
        if self.n_calls <= self.n_failures:
            raise self.error
        return self.n_calls


async def collect(stream: AsyncIterator[int], into: list[int]) -> None:
    async for item in stream:
        into.append(item)  # noqa: PERF401 - what came before an error is wanted


@pytest.mark.parametrize(("idempotent", "n_calls"), [(True, 3), (False, 1)])
def test_a_def_is_tried_again_only_where_doing_it_twice_does_no_harm(
    shared: Resilience, idempotent: bool, n_calls: int
) -> None:
    flaky = Flaky(2)

    @resilient("peer", policy=POLICY, idempotent=idempotent, resilience=shared)
    def ask() -> int:
        return flaky()

    if idempotent:
        assert ask() == 3
    else:
        with pytest.raises(OSError, match="gone"):
            ask()
    assert flaky.n_calls == n_calls


async def test_a_coroutine_is_tried_again_and_the_hook_hears_of_every_try(
    shared: Resilience, events: list[CallEvent]
) -> None:
    flaky = Flaky(2)

    @resilient("peer", "ask", policy=POLICY, idempotent=True, resilience=shared)
    async def ask() -> int:
        return flaky()

    assert await ask() == 3
    (event,) = events
    assert (event.dependency, event.operation, event.outcome, event.attempts) == ("peer", "ask", "ok", 3)
    assert [(a.outcome, a.reason) for a in event.tried] == [("failed", "gone"), ("failed", "gone"), ("ok", "")]


async def test_a_refused_connection_is_tried_again_whatever_the_work(shared: Resilience) -> None:
    flaky = Flaky(1, ConnectionRefusedError())

    @resilient("peer", policy=POLICY, resilience=shared)
    async def book() -> int:
        return flaky()

    assert await book() == 2


async def test_the_last_error_tells_all_attempts(shared: Resilience) -> None:
    flaky = Flaky(9)

    @resilient("peer", "ask", policy=POLICY, idempotent=True, resilience=shared)
    async def ask() -> int:
        return flaky()

    with pytest.raises(OSError, match="gone") as caught:
        await ask()
    assert caught.value.__notes__ == ["attempt 1: gone; attempt 2: gone; attempt 3: gone"]
    with pytest.raises(CircuitOpen) as refused:
        await ask()
    assert [a.outcome for a in attempts_of(refused.value)] == ["circuit_open"]


async def test_the_callers_own_mistakes_pass_as_they_are_and_open_nothing(
    shared: Resilience, events: list[CallEvent]
) -> None:
    flaky = Flaky(99, ValueError("wrong"))

    @resilient("peer", "ask", policy=POLICY, idempotent=True, resilience=shared)
    async def ask() -> int:
        return flaky()

    for _ in range(5):
        with pytest.raises(ValueError, match="wrong"):
            await ask()
    assert flaky.n_calls == 5
    assert {event.outcome for event in events} == {"error"}
    assert shared.breakers.snapshot()[0]["state"] == "closed"


async def test_an_open_breaker_is_not_tried_again_and_has_pybreakers_name(shared: Resilience) -> None:
    flaky = Flaky(99)

    @resilient("peer", "ask", policy=POLICY, idempotent=True, resilience=shared)
    async def ask() -> int:
        return flaky()

    with pytest.raises(OSError, match="gone"):
        await ask()
    with pytest.raises(CircuitBreakerError):
        await ask()
    assert flaky.n_calls == 3


async def test_a_hung_coroutine_ends_by_its_attempt_timeout(shared: Resilience) -> None:
    @resilient("peer", "hang", policy=QUICK, resilience=shared)
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(AttemptTimeout):
        await hang()


async def test_the_callers_deadline_is_kept_and_does_not_blame_the_dependency(shared: Resilience) -> None:
    @resilient("peer", "hang", policy=POLICY, idempotent=True, resilience=shared)
    async def hang() -> None:
        await asyncio.Event().wait()

    for _ in range(4):
        with deadline_scope(0.02), pytest.raises(DeadlineExceeded):
            await hang()
    assert shared.breakers.snapshot()[0]["state"] == "closed"


def test_work_that_is_late_does_not_begin(shared: Resilience) -> None:
    flaky = Flaky(0)
    ask = resilient("peer", policy=POLICY, resilience=shared)(flaky.__call__)
    with deadline_scope(0.0), pytest.raises(DeadlineExceeded):
        ask()
    assert flaky.n_calls == 0


def test_a_def_is_told_its_deadline_and_a_late_result_stands_but_counts_against_the_dependency(
    shared: Resilience, clock: FakeClock
) -> None:
    @resilient("peer", "ask", policy=POLICY, resilience=shared)
    def ask() -> float:
        clock.advance(11.0)
        return remaining_s()

    for _ in range(3):
        assert 0 < ask() <= 10.0
    assert shared.breakers.snapshot()[0]["state"] == "open"


async def test_a_stream_is_tried_again_before_its_first_item_and_never_after(
    shared: Resilience, events: list[CallEvent]
) -> None:
    flaky = Flaky(1)

    @resilient("peer", "list", policy=POLICY, idempotent=True, resilience=shared)
    async def numbers() -> AsyncIterator[int]:
        yield flaky()
        yield 7
        raise OSError("broke off")

    heard: list[int] = []
    with pytest.raises(OSError, match="broke off"):
        await collect(numbers(), heard)
    assert heard == [2, 7]
    assert [a.outcome for a in events[0].tried] == ["failed", "failed"]


async def test_a_stream_whose_consumer_leaves_gives_its_place_back_and_fails_nobody(
    shared: Resilience, events: list[CallEvent]
) -> None:
    alone = CallPolicy(bulkhead=BulkheadPolicy(max_concurrent=1, max_queue=0), breaker=BREAKER)
    closed: list[bool] = []

    @resilient("peer", "list", policy=alone, resilience=shared)
    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    for _ in range(5):
        stream = numbers()
        assert await anext(stream) == 1
        assert remaining_s() > 1e9  # the stream's deadline does not leak into its consumer
        with pytest.raises(BulkheadFull):
            await anext(numbers())
        await stream.aclose()  # type: ignore[attr-defined] # an async generator by nature
    assert len(closed) == 5
    assert shared.breakers.snapshot()[0]["state"] == "closed"
    assert events[-1].outcome == "cancelled"


async def test_a_stream_that_falls_silent_is_ended(shared: Resilience) -> None:
    impatient = CallPolicy(idle_timeout_s=0.02)

    @resilient("peer", "list", policy=impatient, resilience=shared)
    async def numbers() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    heard: list[int] = []
    with pytest.raises(AttemptTimeout, match="silent"):
        await collect(numbers(), heard)
    assert heard == [1]


async def test_an_empty_stream_is_empty(shared: Resilience) -> None:
    @resilient("peer", "list", resilience=shared)
    async def numbers() -> AsyncIterator[int]:
        for number in range(0):
            yield number

    assert [number async for number in numbers()] == []


async def test_blocks_are_guarded_in_plain_code_and_in_coroutines(shared: Resilience) -> None:
    guard = resilient("peer", "block", policy=POLICY, resilience=shared)
    for _ in range(2):
        with pytest.raises(OSError, match="down"), guard.block():
            raise OSError("down")
    with pytest.raises(OSError, match="down"):
        async with guard.ablock():
            raise OSError("down")
    with pytest.raises(CircuitOpen), guard.block():
        raise AssertionError("not reached")


def test_functions_of_one_dependency_may_have_policies_of_their_own(shared: Resilience) -> None:
    @resilient("peer", policy=POLICY, resilience=shared)
    def book() -> None: ...

    @resilient("peer", policy=CallPolicy(), resilience=shared)
    def look_up() -> None: ...

    shown = [breaker["operation"].rpartition(".")[2] for breaker in shared.breakers.snapshot()]
    assert shown == ["book", "look_up"]


def test_a_def_that_is_late_for_its_callers_deadline_alone_does_not_count_against_the_dependency(
    shared: Resilience, clock: FakeClock
) -> None:
    @resilient("peer", "ask", policy=POLICY, resilience=shared)
    def ask() -> None:
        clock.advance(9.0)

    for _ in range(3):
        with deadline_scope(5.0):
            ask()
    assert shared.breakers.snapshot()[0]["state"] == "closed"


def test_a_settings_mistake_is_told_where_a_guard_is_written(clock: FakeClock) -> None:
    wrong = ResilienceSettings.from_environ({"RESILIENCE__PEER__ATTEMPTS": "9"})
    with pytest.raises(PolicyError, match="RESILIENCE__PEER__ATTEMPTS"):
        resilient("peer", policy=POLICY, resilience=instant(clock, settings=wrong))


def test_a_block_that_ends_in_another_context_gives_its_place_back_all_the_same(shared: Resilience) -> None:
    alone = CallPolicy(bulkhead=BulkheadPolicy(max_concurrent=1, max_queue=0))
    guard = resilient("peer", "ask", policy=alone, resilience=shared)
    block = guard.block()
    contextvars.copy_context().run(block.__enter__)
    with pytest.raises(ValueError, match="different Context"):
        contextvars.copy_context().run(block.__exit__, None, None, None)
    with guard.block():
        pass
