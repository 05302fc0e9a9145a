"""The outermost layer: what was true a while ago, said to be so, where the truth cannot be had now."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pynomaly_resilience.errors import CallFailed, PolicyError

T = TypeVar("T")
KeyT = TypeVar("KeyT", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Served(Generic[T]):
    """An answer and where it is from. age_s: seconds since it was fetched, 0 if just now. reason: why stale."""

    value: T
    is_stale: bool = False
    age_s: float = 0.0
    reason: str = ""

    def headers(self, cache: str) -> dict[str, str]:
        """`Age` and `Cache-Status` (RFC 9211), in the name of this cache."""
        if not self.is_stale:
            return {"Cache-Status": f"{cache}; fwd=miss"}
        age_s = int(self.age_s)
        return {"Age": str(age_s), "Cache-Status": f'{cache}; hit; ttl=-{age_s}; detail="stale-if-error {self.reason}"'}

    def fields(self) -> dict[str, bool | int]:
        """What the body of an answer says about it."""
        return {"stale": self.is_stale, "age_s": int(self.age_s)}


class StaleCache(Generic[KeyT, T]):
    """Fetches every time, remembers what came, and serves that when the fetch fails (stale-while-error).

    max_age_s: nothing older is served, > 0. max_entries: answers remembered, >= 1.
    on: the failures that an old answer may stand in for; a refusal (a 4xx, a ValueError) is none.
    """

    def __init__(
        self,
        *,
        max_age_s: float,
        max_entries: int = 1024,
        on: tuple[type[Exception], ...] = (CallFailed, OSError, TimeoutError),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not max_age_s > 0:
            raise PolicyError("max_age_s", max_age_s, "a number > 0")
        if max_entries < 1:
            raise PolicyError("max_entries", max_entries, "an integer >= 1")
        self._max_age_s = max_age_s
        self._max_entries = max_entries
        self._on = on
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[KeyT, tuple[T, float]] = OrderedDict()

    async def aserve(self, key: KeyT, fetch: Callable[[], Awaitable[T]]) -> Served[T]:
        """What `fetch` gives, or else the last it gave for this key; its error where there is none."""
        try:
            return self._keep(key, await fetch())
        except self._on as error:
            return self._stand_in(key, error)

    def serve(self, key: KeyT, fetch: Callable[[], T]) -> Served[T]:
        """As `aserve`, for plain code."""
        try:
            return self._keep(key, fetch())
        except self._on as error:
            return self._stand_in(key, error)

    def _keep(self, key: KeyT, value: T) -> Served[T]:
        with self._lock:
            self._kept[key] = (value, self._clock())
            self._kept.move_to_end(key)
            if len(self._kept) > self._max_entries:
                self._kept.popitem(last=False)
        return Served(value)

    def _stand_in(self, key: KeyT, error: Exception) -> Served[T]:
        with self._lock:
            kept = self._kept.get(key)
        age_s = 0.0 if kept is None else self._clock() - kept[1]
        if kept is None or age_s > self._max_age_s:
            raise error
        reason = error.outcome if isinstance(error, CallFailed) else type(error).__name__
        return Served(kept[0], is_stale=True, age_s=age_s, reason=reason)
