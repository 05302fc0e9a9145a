"""Work on many threads, answered in order."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")


def in_order(n_threads: int, work: Callable[[Item], Found], items: Iterator[Item]) -> Iterator[Found]:
    """The work on each item, in the order of the items; few more than there are threads are held at once."""
    with ThreadPoolExecutor(n_threads) as pool:
        waiting: deque[Future[Found]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > n_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
