"""What can go wrong with a call, by what the caller can do about it.

PolicyError                a policy or a setting makes no sense; raised where it is written or read
CallFailed                 a call got no answer
  PeerUnreachable          no connection: the request was certainly not sent
  ConnectionLost           the connection broke after the request was (perhaps) sent
  AttemptTimeout           the peer was given its whole attempt and was too slow
  DeadlineExceeded         the caller's time ran out first
  CircuitOpen              not tried: the breaker is open (pybreaker's name for it: CircuitBreakerError)
  BulkheadFull             not tried: as many calls as may be are running and waiting
  RateLimited              not tried: calls would start faster than they may
"""

from __future__ import annotations

from typing import ClassVar

from pynomaly_resilience.events import Attempt


class PolicyError(ValueError):
    """A policy's field or a setting is out of range: `field`, `value` and `allowed` say which, what, and the range."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(f"{field} is {value!r}, must be {allowed}")
        self.field = field
        self.value = value
        self.allowed = allowed


class CallFailed(Exception):
    """A call got no answer.

    dependency, operation: who was called, and for what.
    retry_after_s: seconds until another call is worth making, >= 0.
    attempts: every try that was made, this last one included.
    """

    outcome: ClassVar[str] = "failed"
    blames_peer: ClassVar[bool] = True

    def __init__(self, detail: str, *, dependency: str, operation: str, retry_after_s: float) -> None:
        super().__init__(f"{dependency} {operation}: {detail}")
        self.dependency = dependency
        self.operation = operation
        self.retry_after_s = retry_after_s
        self.attempts: tuple[Attempt, ...] = ()


class PeerUnreachable(CallFailed):
    """No connection could be made (refused, unknown host, TLS, connect timeout); nothing was sent."""

    outcome = "unreachable"


class ConnectionLost(CallFailed):
    """The connection broke before the answer was whole; the peer may have done the work."""

    outcome = "connection_lost"


class AttemptTimeout(CallFailed):
    """The peer used up its attempt timeout, or was silent in mid-body for longer than the idle timeout."""

    outcome = "attempt_timeout"


class DeadlineExceeded(CallFailed):
    """The total deadline passed before the attempt had its full time: says nothing about the peer."""

    outcome = "deadline_exceeded"
    blames_peer = False


class CircuitOpen(CallFailed):
    """The breaker admits no call now; the peer was not asked."""

    outcome = "circuit_open"
    blames_peer = False


class BulkheadFull(CallFailed):
    """All places are taken, and so are the seats of those who wait, or the wait was too long."""

    outcome = "bulkhead_full"
    blames_peer = False


class RateLimited(CallFailed):
    """The client's own rate limit would make the call wait longer than it may."""

    outcome = "rate_limited"
    blames_peer = False


CircuitBreakerError = CircuitOpen


def attempts_of(error: BaseException) -> tuple[Attempt, ...]:
    """Every try of the guarded call that ended in this error; empty for an error from elsewhere."""
    tried = getattr(error, "attempts", ())
    return tried if isinstance(tried, tuple) else ()
