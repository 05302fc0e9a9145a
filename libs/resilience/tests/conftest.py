"""Fixtures of the resilience tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Caller:
    """Who asks the peer, and sees how the only breaker of its session stands."""

    session: ResilientSession
    peer: FaultServer
    policy: CallPolicy

    async def ask(self, policy: CallPolicy | None = None, method: str = "GET") -> int:
        """The answer's status, once its body is read."""
        call = self.session.request(method, self.peer.url, operation="ask", policy=policy or self.policy)
        async with call as response:
            await response.read()
            return response.status

    @property
    def state(self) -> str:
        (status,) = self.session.breakers.snapshot()
        return status["state"]


@pytest.fixture
def caller(session: ResilientSession, peer: FaultServer, policy: CallPolicy) -> Caller:
    return Caller(session, peer, policy)


@pytest.fixture
def shared(clock: FakeClock, events: list[CallEvent]) -> Resilience:
    return instant(clock, on_event=events.append)
