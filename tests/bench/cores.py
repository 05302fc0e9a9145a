"""The servers have one core and the load generator another, where the system lets us say so."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

CAN_PIN = hasattr(os, "sched_setaffinity")  # not on macOS
ALL = sorted(os.sched_getaffinity(0)) if CAN_PIN else list(range(os.cpu_count() or 1))
SERVERS, CLIENT = ALL[0], ALL[-1]


def pin(*cores: int) -> None:
    """Keep this process, and what it starts from now on, to these cores."""
    if CAN_PIN:
        os.sched_setaffinity(0, cores)


@contextmanager
def unpinned(usual: Sequence[int] = (SERVERS,)) -> Iterator[None]:
    """Every core while the block runs, the usual ones afterwards."""
    pin(*ALL)
    yield
    pin(*usual)
