"""What can go wrong with a call, by what the caller can do about it.

PolicyError                a policy makes no sense; raised where it is written
CallFailed                 a call got no answer
  PeerUnreachable          no connection: the request was certainly not sent
  ConnectionLost           the connection broke after the request was (perhaps) sent
  AttemptTimeout           the peer was given its whole attempt and was too slow
  DeadlineExceeded         the caller's time ran out first
  CircuitOpen              not tried: the breaker is open
"""

from __future__ import annotations

from typing import ClassVar


class PolicyError(ValueError):
    """A policy's field is out of range. `field`, `value` and `allowed` say which, what and the range."""

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(f"{field} is {value!r}, must be {allowed}")
        self.field = field
        self.value = value
        self.allowed = allowed


class CallFailed(Exception):
    """A call got no answer.

    dependency, operation: who was called, and for what.
    retry_after_s: seconds until another call is worth making, >= 0.
    """

    outcome: ClassVar[str] = "failed"
    blames_peer: ClassVar[bool] = True

    def __init__(self, detail: str, *, dependency: str, operation: str, retry_after_s: float) -> None:
        super().__init__(f"{dependency} {operation}: {detail}")
        self.dependency = dependency
        self.operation = operation
        self.retry_after_s = retry_after_s


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
