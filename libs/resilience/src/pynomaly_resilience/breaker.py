"""A circuit breaker for threads and coroutines alike: callers take a permit and report how it went.

closed --too many failures--> open --interval over, next caller--> half-open --all probes succeed--> closed
half-open --a probe fails--> open, for twice as long

The lock guards a few counters and is never held during a call or a listener. Permits belong to the epoch in
which they were given; what they report after a change of state is ignored, so that the slow failures of an
outage cannot reopen a breaker that has recovered.
"""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Literal

from pynomaly_resilience.errors import CircuitOpen
from pynomaly_resilience.events import BreakerEvent, BreakerState, notify
from pynomaly_resilience.policies import BreakerPolicy
from pynomaly_resilience.window import SlidingWindow

PROBE_WAIT_S = 1.0
"""What a caller is told to wait while probes are under way, seconds."""

_MAX_DOUBLINGS = 32
_Report = Literal["success", "failure", "neutral"]


class Permit:
    """Leave to make one call; report once how it went. A failure may still follow a success (a body that
    broke off after good headers): the call then counts once, as failed. Further reports are ignored.

    As a context manager it reports by itself: a return is a success, an Exception a failure, cancellation
    and the other BaseExceptions are neutral.
    """

    __slots__ = ("_clock", "_report", "began_s", "epoch", "reported", "streak")

    def __init__(
        self,
        report: Callable[[Permit, _Report], None],
        epoch: int,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._report = report
        self._clock = clock
        self.epoch = epoch
        self.began_s = 0.0
        self.begin()
        self.reported: _Report | None = None
        self.streak = 0

    def begin(self) -> None:
        """The call begins only now, after a wait that must not make it slow."""
        if self._clock is not None:
            self.began_s = self._clock()

    def success(self) -> None:
        """The peer answered."""
        self._report(self, "success")

    def failure(self) -> None:
        """The peer failed."""
        self._report(self, "failure")

    def release(self) -> None:
        """Nothing was learned about the peer: counts as no call, and a probe's place is free again."""
        self._report(self, "neutral")

    def __enter__(self) -> Permit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.success()
        elif issubclass(kind, Exception):
            self.failure()
        else:
            self.release()


class CircuitBreaker:
    """Stops calls to a peer that fails, and lets a few through from time to time to see whether it is back.

    clock: monotonic seconds. random: uniform in [0, 1), for the jitter. listeners: called with each
    BreakerEvent, outside the lock, in the caller's thread.
    """

    def __init__(
        self,
        policy: BreakerPolicy | None = None,
        *,
        dependency: str = "",
        operation: str = "",
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
        listeners: Sequence[Callable[[BreakerEvent], None]] = (),
    ) -> None:
        self.policy = policy or BreakerPolicy()
        self.dependency = dependency
        self.operation = operation
        self._clock = clock
        self._slow_clock = None if self.policy.slow_call_s is None else clock
        self._random = random
        self._listeners = tuple(listeners)
        self._lock = threading.Lock()
        self._window = SlidingWindow(self.policy.window_s)
        self._state: BreakerState = "closed"
        self._epoch = 0
        self._streak = 0
        self._openings = 0
        self._until_s = 0.0
        self._leases = 0
        self._passed = 0

    @property
    def state(self) -> BreakerState:
        """`open` lasts until a caller comes after the interval and becomes the first probe."""
        return self._state

    @property
    def retry_after_s(self) -> float:
        """Seconds until a call may be admitted; 0 when closed, the longest interval when held open."""
        with self._lock:
            return self._retry_after_s(self._clock())

    def acquire(self) -> Permit:
        """Leave for one call. CircuitOpen when there is none to be had."""
        with self._lock:
            event = None
            admitted = True
            if self._state != "closed":
                event = self._wake(self._clock())
                admitted = self._take_lease()
            permit = Permit(self._settle, self._epoch, self._slow_clock)
        self._tell(event)
        if not admitted:
            raise CircuitOpen(
                "circuit open",
                dependency=self.dependency,
                operation=self.operation,
                retry_after_s=self.retry_after_s,
            )
        return permit

    def open(self) -> None:
        """Admit nothing until `close` is called."""
        with self._lock:
            event = self._enter("open", until_s=math.inf)
        self._tell(event)

    def close(self) -> None:
        """Admit everything, and forget the failures."""
        with self._lock:
            event = self._enter("closed")
        self._tell(event)

    # Private methods run under the lock, but for _settle and _tell.

    def _wake(self, now_s: float) -> BreakerEvent | None:
        if now_s < self._until_s or (self._state == "half_open" and self._leases):
            return None
        return self._enter("half_open", until_s=now_s + self.policy.probe_lease_s)

    def _take_lease(self) -> bool:
        if self._state != "half_open" or self._leases == 0:
            return False
        self._leases -= 1
        return True

    def _settle(self, permit: Permit, report: _Report) -> None:
        with self._lock:
            amends = permit.reported == "success" and report == "failure"
            if permit.epoch != self._epoch or not (permit.reported is None or amends):
                return
            permit.reported = report
            now_s = self._clock()
            if self._state == "half_open":
                event = self._settle_probe(report, now_s, is_slow=self._is_slow(permit, now_s))
            else:
                event = self._settle_call(permit, report, now_s, amends=amends)
        self._tell(event)

    def _settle_probe(self, report: _Report, now_s: float, *, is_slow: bool) -> BreakerEvent | None:
        if report == "neutral":
            self._leases += 1
            return None
        if report == "failure" or is_slow:
            return self._trip(now_s)
        self._passed += 1
        return self._enter("closed") if self._passed == self.policy.probes else None

    def _settle_call(self, permit: Permit, report: _Report, now_s: float, *, amends: bool) -> BreakerEvent | None:
        if report == "neutral":
            return None
        failed = report == "failure"
        if failed:
            self._streak = max(self._streak, permit.streak) + 1
        else:
            permit.streak, self._streak = self._streak, 0
        n_slow = 0 if amends else self._is_slow(permit, now_s)
        self._window.add(now_s, n_calls=0 if amends else 1, n_failures=failed, n_slow=n_slow)
        return self._trip(now_s) if (failed or n_slow) and self._is_too_much() else None

    def _is_slow(self, permit: Permit, now_s: float) -> bool:
        limit_s = self.policy.slow_call_s
        return limit_s is not None and now_s - permit.began_s > limit_s

    def _is_too_much(self) -> bool:
        rule, window = self.policy, self._window
        if not rule.enabled:
            return False
        if rule.consecutive_failures is not None and self._streak >= rule.consecutive_failures:
            return True
        if window.n_calls < rule.min_calls:
            return False
        if rule.failure_rate is not None and window.n_failures / window.n_calls >= rule.failure_rate:
            return True
        return rule.slow_call_s is not None and window.n_slow / window.n_calls >= rule.slow_rate

    def _trip(self, now_s: float) -> BreakerEvent | None:
        doubled_s = self.policy.open_s * 2 ** min(self._openings, _MAX_DOUBLINGS)
        spread = 1 + self.policy.jitter * (2 * self._random() - 1)
        self._openings += 1
        return self._enter("open", until_s=now_s + min(doubled_s, self.policy.open_max_s) * spread)

    def _enter(self, state: BreakerState, *, until_s: float = 0.0) -> BreakerEvent | None:
        before, self._state = self._state, state
        self._epoch += 1
        self._until_s = until_s
        self._leases = self.policy.probes
        self._passed = 0
        if state == "closed":
            self._window.clear()
            self._streak = self._openings = 0
        if before == state:
            return None
        wait_s = self._retry_after_s(self._clock())
        return BreakerEvent(self.dependency, self.operation, before, state, wait_s)

    def _retry_after_s(self, now_s: float) -> float:
        if self._state == "open":
            return max(0.0, min(self._until_s - now_s, self.policy.open_max_s * (1 + self.policy.jitter)))
        return PROBE_WAIT_S if self._state == "half_open" else 0.0

    def _tell(self, event: BreakerEvent | None) -> None:
        if event is not None:
            notify(self._listeners, event)
