"""One run of the same work, however many wait for it."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from pynomaly_chassis.background import begin_apart

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
Work = Callable[[], Coroutine[Any, Any, Value]]


class SingleFlight(Generic[Key, Value]):
    """Work by key, begun apart from who asks first.

    A waiter that is cancelled leaves the work to the others; a failure reaches all and is not kept.
    """

    def __init__(self) -> None:
        self._running: dict[Key, asyncio.Task[Value]] = {}
        self._all: set[asyncio.Task[Value]] = set()

    async def run(self, key: Key, work: Work[Value]) -> Value:
        """The result of the running work of this key, which begins now if there is none."""
        return await asyncio.shield(self.begin(key, work))

    def begin(self, key: Key, work: Work[Value]) -> asyncio.Task[Value]:
        """As `run`, without waiting."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = begin_apart(work())
            self._all.add(task)
            task.add_done_callback(lambda done: self._end(key, done))
        return task

    def is_running(self, key: Key) -> bool:
        """Whether work of this key runs."""
        return key in self._running

    def renounce(self) -> None:
        """Who comes from now on does not share what runs already: it began before something changed."""
        self._running.clear()

    async def close(self) -> None:
        """Cancel what runs and wait for its end."""
        for task in self._all:
            task.cancel()
        await asyncio.gather(*self._all, return_exceptions=True)

    def _end(self, key: Key, task: asyncio.Task[Value]) -> None:
        self._all.discard(task)
        if self._running.get(key) is task:
            del self._running[key]
        if not task.cancelled():
            task.exception()  # seen, even where every waiter has gone
