"""Things made when first asked for, and never more of them than a fixed number."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ThingT = TypeVar("ThingT")


class Bounded(Generic[KeyT, ThingT]):
    """A map that forgets what was not used for longest."""

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._lock = threading.Lock()
        self._things: OrderedDict[KeyT, ThingT] = OrderedDict()

    def get(self, key: KeyT, make: Callable[[], ThingT]) -> ThingT:
        """The thing of this key."""
        with self._lock:
            thing = self._things.get(key)
            if thing is None:
                if len(self._things) >= self._max_size:
                    self._things.popitem(last=False)
                thing = self._things[key] = make()
            else:
                self._things.move_to_end(key)
            return thing

    def items(self) -> list[tuple[KeyT, ThingT]]:
        """Everything that is remembered."""
        with self._lock:
            return list(self._things.items())
