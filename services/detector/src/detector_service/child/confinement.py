"""What a child does to itself before it reads a byte: it ends with its parent, and stays under its memory limit.

Standard library only, so that the limit is there before anything large is imported.
"""

import ctypes
import os
import resource
import signal
import sys
import threading
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LOST_PARENT = 3
OUT_OF_MEMORY = 4


def die_with_parent() -> None:
    """Have the kernel end this process when the parent dies, where it does that: on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)


def read_order() -> bytes:
    """The line on standard input that tells what to do; ends this process where none comes any more."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(0, 64 * 1024)
        if not piece:
            os._exit(_LOST_PARENT)
        line += piece
    return line


def watch_lifeline() -> None:
    """Die at the end of standard input, from now on: the parent is gone, on whatever system."""
    threading.Thread(target=_watch_lifeline, daemon=True).start()


def limit_memory(limit_mb: int) -> None:
    """Let allocations fail beyond `limit_mb` MiB of data. Files that are mapped, such as libraries, do not count."""
    limit = limit_mb * 1024 * 1024
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    if most != resource.RLIM_INFINITY:
        limit = min(limit, most)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def cores() -> int:
    """How many this process may run on, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def private_stdout() -> int:
    """A descriptor of standard output for this process's own words; what libraries print goes to standard error."""
    mine = os.dup(1)
    os.dup2(2, 1)
    return mine


def say_into(path: Path) -> None:
    """Have standard error, and what libraries print, go to the end of a file."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(file, standard)
    os.close(file)


def _watch_lifeline() -> None:
    while os.read(0, 1):
        pass
    os._exit(_LOST_PARENT)
