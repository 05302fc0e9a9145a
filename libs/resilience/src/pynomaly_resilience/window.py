"""Counts of calls and of two kinds among them over a sliding stretch of time, in constant space."""

from __future__ import annotations

N_BUCKETS = 10


class SlidingWindow:
    """The last `window_s` seconds in ten buckets: a call is forgotten between 0.9 and 1.0 windows later."""

    __slots__ = ("_bucket_s", "_calls", "_failures", "_slow", "_tick", "n_calls", "n_failures", "n_slow")

    def __init__(self, window_s: float) -> None:
        self._bucket_s = window_s / N_BUCKETS
        self._tick = 0
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._calls = [0] * N_BUCKETS
        self._failures = [0] * N_BUCKETS
        self._slow = [0] * N_BUCKETS
        self.n_calls = 0
        self.n_failures = 0
        self.n_slow = 0

    def add(self, now_s: float, *, n_calls: int, n_failures: int, n_slow: int = 0) -> None:
        """Count at `now_s`, which never goes back; the totals are those of the window that ends there."""
        tick = int(now_s / self._bucket_s)
        if tick != self._tick:
            self._forget_until(tick)
        slot = tick % N_BUCKETS
        self._calls[slot] += n_calls
        self.n_calls += n_calls
        if n_failures:
            self._failures[slot] += n_failures
            self.n_failures += n_failures
        if n_slow:
            self._slow[slot] += n_slow
            self.n_slow += n_slow

    def _forget_until(self, tick: int) -> None:
        for stale in range(max(self._tick, tick - N_BUCKETS) + 1, tick + 1):
            slot = stale % N_BUCKETS
            self.n_calls -= self._calls[slot]
            self.n_failures -= self._failures[slot]
            self.n_slow -= self._slow[slot]
            self._calls[slot] = self._failures[slot] = self._slow[slot] = 0
        self._tick = tick
