"""Fixtures of the resilience tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pynomaly_resilience import (
    BreakerPolicy,
    BreakerRegistry,
    CallEvent,
    CallPolicy,
    Resilience,
    ResilientSession,
    RetryPolicy,
)
from pynomaly_resilience.testing import FakeClock, FaultServer, instant


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def events() -> list[CallEvent]:
    return []


@pytest.fixture
async def session(clock: FakeClock, events: list[CallEvent]) -> AsyncIterator[ResilientSession]:
    breakers = BreakerRegistry(clock=clock)
    async with ResilientSession(breakers=breakers, on_event=events.append) as session:
        yield session


@pytest.fixture
async def peer() -> AsyncIterator[FaultServer]:
    async with FaultServer() as peer:
        yield peer


@pytest.fixture
def policy() -> CallPolicy:
    """Patient with the call and the connection; the breaker opens after three failures in a row."""
    breaker = BreakerPolicy(failure_rate=None, consecutive_failures=3, jitter=0.0)
    return CallPolicy(
        attempt_timeout_s=10.0,
        total_timeout_s=20.0,
        connect_timeout_s=10.0,
        retry=RetryPolicy(wait_s=0.0),
        breaker=breaker,
    )


@pytest.fixture
def shared(clock: FakeClock, events: list[CallEvent]) -> Resilience:
    return instant(clock, on_event=events.append)
