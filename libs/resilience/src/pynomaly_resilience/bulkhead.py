"""A limit on how many calls run at once, with a bounded queue; for threads and coroutines alike."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future

from pynomaly_resilience.errors import BulkheadFull
from pynomaly_resilience.policies import BulkheadPolicy

RETRY_AFTER_S = 1.0
BACK_OFF = 0.9


class Bulkhead:
    """Take a place with `enter` or `aenter`, give it back with `leave`; first come, first served."""

    def __init__(self, policy: BulkheadPolicy, *, dependency: str = "", operation: str = "") -> None:
        self.policy = policy
        self.dependency = dependency
        self.operation = operation
        self.n_running = 0
        self.limit = float(policy.max_concurrent)
        self._lock = threading.Lock()
        self._queue: deque[Future[None]] = deque()

    @property
    def n_waiting(self) -> int:
        """Calls that wait for a place."""
        return len(self._queue)

    def enter(self, max_wait_s: float) -> None:
        """A place, within the policy's wait and this one. BulkheadFull."""
        seat = self._take_place_or_seat()
        if seat is None:
            return
        try:
            seat.result(min(max_wait_s, self.policy.max_wait_s))
        except TimeoutError:
            self._give_up(seat)
            raise self._full("waited too long for a place") from None
        except BaseException:
            self._give_up(seat)
            raise

    async def aenter(self, max_wait_s: float) -> None:
        """As `enter`, for coroutines; a cancelled one leaves neither place nor seat taken."""
        seat = self._take_place_or_seat()
        if seat is None:
            return
        try:
            async with asyncio.timeout(min(max_wait_s, self.policy.max_wait_s)):
                await asyncio.wrap_future(seat)
        except TimeoutError:
            self._give_up(seat)
            raise self._full("waited too long for a place") from None
        except BaseException:
            self._give_up(seat)
            raise

    def leave(self, *, ok: bool = True, duration_s: float = 0.0) -> None:
        """Give the place back; how the call went moves an adaptive limit."""
        with self._lock:
            if self.policy.adaptive:
                self._adapt(ok=ok and duration_s <= self.policy.slow_s)
            self.n_running -= 1
            self._seat_next()

    def _take_place_or_seat(self) -> Future[None] | None:
        with self._lock:
            if self.n_running < int(self.limit) and not self._queue:
                self.n_running += 1
                return None
            if len(self._queue) >= self.policy.max_queue:
                raise self._full(f"{self.n_running} calls run and {len(self._queue)} wait")
            seat: Future[None] = Future()
            self._queue.append(seat)
            return seat

    def _give_up(self, seat: Future[None]) -> None:
        with self._lock:
            if seat in self._queue:
                self._queue.remove(seat)
                return
            self.n_running -= 1  # the place was handed over in the same moment
            self._seat_next()

    def _seat_next(self) -> None:
        while self._queue and self.n_running < int(self.limit):
            seat = self._queue.popleft()
            self.n_running += 1
            if seat.set_running_or_notify_cancel():
                seat.set_result(None)
            # else its owner is on the way to _give_up, where it finds itself out of the queue

    def _adapt(self, *, ok: bool) -> None:
        if not ok:
            self.limit = max(float(self.policy.min_concurrent), self.limit * BACK_OFF)
        elif self.n_running >= int(self.limit):
            self.limit = min(float(self.policy.max_concurrent), self.limit + 1 / self.limit)

    def _full(self, detail: str) -> BulkheadFull:
        return BulkheadFull(detail, dependency=self.dependency, operation=self.operation, retry_after_s=RETRY_AFTER_S)
