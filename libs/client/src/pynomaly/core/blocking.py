"""The blocking flavour of a resource: the same coroutines, run to their end where they stand.

A `BlockingWire` never suspends, so a coroutine over it runs from `send(None)` to its return without an event loop.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")
Core = TypeVar("Core")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns or raises."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast("T", end.value)
    coroutine.close()
    raise RuntimeError("a blocking client was given something that waits for an event loop; use AsyncClient")


class Blocking(Generic[Core]):
    """A resource whose methods block; `core` is the asynchronous one over a blocking wire."""

    def __init__(self, core: Core) -> None:
        self._core = core

    @property
    def core(self) -> Core:
        return self._core


def blocking(
    method: Callable[Concatenate[Core, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Blocking[Core], P], T]:
    """The method, blocking until its result is there."""

    def call(self: Blocking[Core], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return run(method(self.core, *args, **kwargs))

    return update_wrapper(call, method)


def iterating(
    method: Callable[Concatenate[Core, P], AsyncIterator[T]],
) -> Callable[Concatenate[Blocking[Core], P], Iterator[T]]:
    """The method, its items one after the other, each fetched when it is asked for."""

    def call(self: Blocking[Core], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return drawn(cast("AsyncGenerator[T, None]", method(self.core, *args, **kwargs)))

    return update_wrapper(call, method)


def drawn(items: AsyncGenerator[T, None]) -> Iterator[T]:
    """The generator's items; closed with it when the loop is left early."""
    try:
        while True:
            try:
                yield run(items.__anext__())
            except StopAsyncIteration:
                return
    finally:
        run(items.aclose())
