"""The processes of the suite as children that end when their supervisor does, in the reverse order of starting."""

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM
from types import TracebackType
from typing import Self

from pynomaly_suite import launch, reaper
from pynomaly_suite.errors import NotReady, ProcessDied, StopRequested

LOG_LIMIT_BYTES = 10 * 1024 * 1024
QUOTED_LINES = 15


@dataclass(frozen=True, slots=True)
class Command:
    """One process: what to run, where its output goes (None: the terminal), and how it is stopped."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    log: Path | None
    uid: int | None = None
    stop_signal: int = SIGTERM
    grace_s: float = 10.0


@dataclass(slots=True)
class Child:
    """A started command; `may_end` where its end is no failure of the suite."""

    command: Command
    process: "subprocess.Popen[bytes]"
    may_end: bool = False

    @property
    def name(self) -> str:
        return self.command.name

    @property
    def pid(self) -> int:
        return self.process.pid

    def ended(self) -> bool:
        return self.process.poll() is not None

    def died(self) -> ProcessDied:
        """What to raise for its end."""
        lines = last_lines(self.command.log) if self.command.log else []
        return ProcessDied(self.name, self.process.wait(), self.command.log, lines)


@dataclass(slots=True)
class Children:
    """Starts, watches and stops processes. A context manager: leaving it stops all that still run.

    `held_files` are file descriptors that the reaper keeps open until nothing of the suite runs any more.
    """

    held_files: tuple[int, ...] = ()
    stop_signal: int | None = None
    _running: list[Child] = field(default_factory=list)
    _sequence: int = 0
    _reaper: "subprocess.Popen[bytes] | None" = None
    _lifeline: int = -1

    def __enter__(self) -> Self:
        reader, self._lifeline = os.pipe()
        self._reaper = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", reaper.__file__],
            stdin=reader,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=self.held_files,
        )
        os.close(reader)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def running(self) -> tuple[Child, ...]:
        return tuple(self._running)

    @property
    def reaper_pid(self) -> int:
        return self._started_reaper.pid

    def spawn(self, command: Command, *, may_end: bool = False) -> Child:
        """Start the command; from here on its unexpected end is raised by `pause`."""
        self._sequence += 1
        child = Child(command, self._launch(command), may_end)
        self._running.append(child)
        return child

    def run(self, command: Command) -> None:
        """Start the command and wait until it has succeeded.

        Raises:
            ProcessDied: it failed.
        """
        child = self.spawn(command, may_end=True)
        if self.wait(child):
            raise child.died()

    def wait(self, child: Child) -> int:
        """Wait for a child that may end; its exit code. Where the waiting fails, the child is stopped."""
        try:
            self.until(child.ended)
        finally:
            self.stop(child)
        return child.process.wait()

    def until(self, reached: Callable[[], bool], *, timeout_s: float = float("inf"), what: str = "") -> None:
        """Watch the children until `reached()`.

        Raises:
            ProcessDied: one of them ended.
            StopRequested: a signal arrived.
            NotReady: `timeout_s` seconds passed.
        """
        deadline = time.monotonic() + timeout_s
        while not reached():
            if time.monotonic() > deadline:
                raise NotReady(f"{what} not ready after {timeout_s:.0f} s.")
            self.pause()

    def pause(self) -> None:
        """One short rest, unless a stop was asked for or a child has died."""
        if self.stop_signal is not None:
            raise StopRequested(self.stop_signal)
        for child in self._running:
            if not child.may_end and child.ended():
                raise child.died()
        if (code := self._started_reaper.poll()) is not None:
            raise ProcessDied("reaper", code, None, [])
        time.sleep(reaper.POLL_S)

    def stop(self, child: Child) -> None:
        """End the child and its group; nothing where it has ended."""
        command = child.command
        reaper.stop_group(child.pid, command.stop_signal, command.grace_s, lambda: not child.ended())
        self._running.remove(child)
        with suppress(BrokenPipeError):  # the reaper is dead, and `pause` tells it
            os.write(self._lifeline, f"- {child.pid}\n".encode())

    def close(self) -> None:
        """Stop all, the last started first, and the reaper."""
        while self._running:
            self.stop(self._running[-1])
        if self._reaper is not None:
            os.close(self._lifeline)
            self._reaper.wait()
            self._reaper = None

    @property
    def _started_reaper(self) -> "subprocess.Popen[bytes]":
        if self._reaper is None:
            raise RuntimeError("Children are started inside `with`")
        return self._reaper

    def _launch(self, command: Command) -> "subprocess.Popen[bytes]":
        uid = "-" if command.uid is None else str(command.uid)
        numbers = (self._lifeline, self._sequence, int(command.stop_signal), command.grace_s)
        argv = [sys.executable, "-I", "-S", launch.__file__, *map(str, numbers), uid, *command.argv]
        log = command.log.open("ab") if command.log else None
        try:
            return subprocess.Popen(  # noqa: S603 - a list, no shell
                argv,
                env=dict(command.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log and subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(self._lifeline,),
            )
        finally:
            if log:
                log.close()


def rotate(log: Path) -> None:
    """Put a log of more than 10 MiB aside as `NAME.log.1`, over the one before."""
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_name(log.name + ".1"))


def last_lines(log: Path) -> list[str]:
    """The last lines of a log, at most 15."""
    if not log.exists():
        return []
    with log.open(errors="replace") as lines:
        return [line.rstrip() for line in deque(lines, QUOTED_LINES)]
