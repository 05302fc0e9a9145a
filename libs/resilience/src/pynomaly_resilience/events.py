"""Frozen records of what happened, and their way to whoever watches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

BreakerState = Literal["closed", "half_open", "open"]
EventT = TypeVar("EventT")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BreakerEvent:
    """A breaker changed its state. retry_after_s: seconds until it may admit a call."""

    dependency: str
    operation: str
    before: BreakerState
    after: BreakerState
    retry_after_s: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call.

    outcome: as a CallEvent's. reason: the error in words, or the status, or empty. offset_s: its begin,
    after the call's. queued_s: how much of duration_s went by before it was let through.
    """

    outcome: str
    reason: str
    offset_s: float
    duration_s: float
    queued_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CallEvent:
    """A call ended, once per call.

    outcome: ok (any status below 500), server_error, cancelled, error (the caller's own), or the `outcome`
        of the CallFailed that was raised.
    attempts: tries made, 0 when none was. duration_s: from the first to the end of the response block.
    tried: the tries one by one, those that were not let through included.
    """

    dependency: str
    operation: str
    outcome: str
    attempts: int
    duration_s: float
    tried: tuple[Attempt, ...] = ()


def notify(listeners: Iterable[Callable[[EventT], None]], event: EventT) -> None:
    """Tell every listener. One that raises is logged: watching must not change what is watched."""
    for listener in listeners:
        try:
            listener(event)
        except Exception:
            _log.exception("resilience.listener_failed")
