"""Stops what the supervisor leaves behind, whatever ended the supervisor.

Reads from a pipe `+ SEQUENCE PID STOP_SIGNAL GRACE_S` for each process that starts and `- PID` for each that has
ended. The pipe closes when the supervisor is gone, even by kill -9; then every process left is stopped, the last
started first. Standard library only: it runs with `python -I -S`.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

POLL_S = 0.02


def stop_group(pid: int, stop_signal: int, grace_s: float, running: Callable[[], bool]) -> None:
    """Ask the process to end; after `grace_s` seconds kill it; in any case kill what is left of its group."""
    if running():
        _send(os.kill, pid, stop_signal)
    deadline = time.monotonic() + grace_s
    while running() and time.monotonic() < deadline:
        time.sleep(POLL_S)
    _send(os.killpg, pid, signal.SIGKILL)
    while running():
        time.sleep(POLL_S)


def is_running(pid: int) -> bool:
    """Whether the process lives; a zombie, which some containers never collect, does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return sys.platform != "linux"


def remaining(lines: Iterable[str]) -> list[tuple[int, int, int, float]]:
    """(sequence, pid, stop signal, grace in seconds) of the processes that started and did not end, last first."""
    started: dict[int, tuple[int, int, int, float]] = {}
    for line in lines:
        event, *numbers = line.split()
        if event == "+":
            sequence, pid, stop_signal, grace_s = numbers
            started[int(pid)] = (int(sequence), int(pid), int(stop_signal), float(grace_s))
        else:
            started.pop(int(numbers[0]), None)
    return sorted(started.values(), reverse=True)


def _send(send: Callable[[int, int], None], target: int, signum: int) -> None:
    # A group that has just ended is gone (macOS says EPERM for one of zombies): nothing is left to signal.
    with suppress(ProcessLookupError, PermissionError):
        send(target, signum)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for _, pid, stop_signal, grace_s in remaining(sys.stdin):
        stop_group(pid, stop_signal, grace_s, lambda pid=pid: is_running(pid))  # type: ignore[misc] # binds pid


if __name__ == "__main__":
    main()
