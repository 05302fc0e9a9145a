"""The decorators for what functions mostly call."""

from __future__ import annotations

import asyncio

import pytest
from pynomaly_resilience import (
    AttemptTimeout,
    CircuitOpen,
    PolicyError,
    Resilience,
    api_resilient,
    cache_resilient,
    database_resilient,
    ml_resilient,
)
from pynomaly_resilience.presets import Preset
from pynomaly_resilience.testing import FakeClock, instant


@pytest.fixture
def shared(clock: FakeClock) -> Resilience:
    return instant(clock)


@pytest.mark.parametrize(
    ("preset", "figures"),
    [
        (database_resilient, (30.0, 3, 0.5, 10.0, 3, 30.0)),
        (api_resilient, (60.0, 5, 1.0, 30.0, 5, 60.0)),
        (cache_resilient, (5.0, 2, 0.1, 1.0, 3, 15.0)),
        (ml_resilient, (300.0, 2, 5.0, 30.0, 2, 120.0)),
    ],
)
def test_their_defaults_are_the_promised_ones(preset: Preset, figures: tuple[float, ...]) -> None:
    policy = preset.policy(idempotent=True)
    retry, breaker = policy.retry, policy.breaker
    assert figures == (
        policy.total_timeout_s,
        policy.attempts,
        retry.wait_s,
        retry.wait_max_s,
        breaker.consecutive_failures,
        breaker.open_s,
    )
    assert (breaker.failure_rate, retry.on) == (None, "failure")
    assert policy.attempt_timeout_s == policy.total_timeout_s / policy.attempts


async def test_work_that_nobody_called_idempotent_is_done_once_with_the_whole_time(shared: Resilience) -> None:
    n_calls = 0

    @ml_resilient(timeout_seconds=600, max_attempts=2, resilience=shared)
    async def train() -> None:
        nonlocal n_calls
        n_calls += 1
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await train()
    assert n_calls == 1
    assert ml_resilient.policy(600, 2).attempt_timeout_s == 600


def test_idempotent_work_is_tried_again_after_a_pause_that_the_clock_shows(
    shared: Resilience, clock: FakeClock
) -> None:
    n_calls = 0

    @database_resilient(max_attempts=3, idempotent=True, resilience=shared)
    def read() -> int:
        nonlocal n_calls
        n_calls += 1
        if n_calls < 3:
            raise OSError("connection lost")
        return n_calls

    assert read() == 3
    assert 1000.0 < clock() <= 1001.5


async def test_each_function_has_a_breaker_of_its_own(shared: Resilience) -> None:
    @ml_resilient(resilience=shared)
    async def broken() -> None:
        raise OSError("out of memory")

    @ml_resilient(resilience=shared)
    async def fine() -> str:
        return "scores"

    for expected in (OSError, OSError, CircuitOpen):
        with pytest.raises(expected):
            await broken()
    assert await fine() == "scores"


async def test_the_time_is_kept(shared: Resilience) -> None:
    @api_resilient(timeout_seconds=0.1, resilience=shared)
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(AttemptTimeout):
        await hang()


def test_bare_it_uses_what_the_process_shares() -> None:
    @cache_resilient
    def look_up(key: str) -> str:
        """Found."""
        return key

    assert look_up("a") == "a"
    assert (look_up.__name__, look_up.__doc__) == ("look_up", "Found.")


@pytest.mark.parametrize(
    ("keywords", "named"),
    [({"timeout_seconds": 0}, "timeout_seconds is 0"), ({"max_attempts": 11}, "max_attempts is 11")],
)
def test_a_keyword_out_of_range_is_named_where_it_is_written(keywords: dict[str, int], named: str) -> None:
    with pytest.raises(PolicyError, match=named):
        api_resilient(**keywords)  # type: ignore[call-overload] # keywords by name
