"""What can go wrong with the suite, each with the exit code that tells it."""

from collections.abc import Sequence
from pathlib import Path
from signal import Signals


class SuiteError(Exception):
    """The suite cannot go on; the message names the thing, its value and what to do."""

    exit_code = 1


class Refused(SuiteError):
    """The machine or the caller must change something first: a port, a folder, a running suite."""

    exit_code = 2


class ProcessDied(SuiteError):
    """A process of the suite ended by itself."""

    def __init__(self, name: str, returncode: int, log: Path | None, last_lines: Sequence[str]) -> None:
        self.name, self.returncode, self.log, self.last_lines = name, returncode, log, tuple(last_lines)
        super().__init__("\n".join([f"{name} {how_it_ended(returncode)}.", *self._advice(), *self._quoted()]))

    def _advice(self) -> list[str]:
        if any("No space left on device" in line for line in self.last_lines):
            return ["The disk is full: free some space, or move PYNOMALY_HOME to another disk."]
        return []

    def _quoted(self) -> list[str]:
        if self.log is None:
            return []
        return [f"The end of {self.log}:", *(f"  {line}" for line in self.last_lines or ["(nothing)"])]


class NotReady(SuiteError):
    """A process runs but did not become ready in time."""


class StopRequested(Exception):
    """A signal asked the suite to stop."""

    def __init__(self, signum: int) -> None:
        self.signum = signum
        super().__init__(Signals(signum).name)


def how_it_ended(returncode: int) -> str:
    """`exited with code 3`, or `was killed by SIGKILL` for the negative codes of subprocess."""
    if returncode < 0:
        return f"was killed by {Signals(-returncode).name}"
    return f"exited with code {returncode}"
