"""How many retries a dependency is given, so that an outage is not answered with a flood."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pynomaly_resilience.window import N_BUCKETS, SlidingWindow

SPAN_S = 10.0


class RetryBudget:
    """In any ten seconds, retries <= `share` of the calls plus `per_s` for each second.

    A token bucket that cannot save up for the outage: what was not used ten seconds ago is gone. The window
    is a ninth longer than ten seconds, which makes the bound hold for every stretch of ten, however the
    buckets fall; calls are weighed down by as much.
    """

    def __init__(self, share: float = 0.1, per_s: float = 3.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = share * (N_BUCKETS - 1) / N_BUCKETS
        self._floor = per_s * SPAN_S
        self._clock = clock
        self._lock = threading.Lock()
        self._window = SlidingWindow(SPAN_S * N_BUCKETS / (N_BUCKETS - 1))

    def deposit(self) -> None:
        """A call begins."""
        with self._lock:
            self._window.add(self._clock(), n_calls=1, n_failures=0)

    def take(self) -> bool:
        """Leave for one retry."""
        with self._lock:
            self._window.add(self._clock(), n_calls=0, n_failures=0)
            if self._left() < 1:
                return False
            self._window.add(self._clock(), n_calls=0, n_failures=1)
            return True

    @property
    def left(self) -> float:
        """Retries that could be made now."""
        with self._lock:
            self._window.add(self._clock(), n_calls=0, n_failures=0)
            return self._left()

    def _left(self) -> float:
        return self._floor + self._share * self._window.n_calls - self._window.n_failures
