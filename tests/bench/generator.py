"""The load generator as a process of its own, on a core of its own."""

import json
import math
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import cores
from load import Turn

CpuSeconds = Callable[[str], float]
PROGRAM = Path(__file__).with_name("load.py")


@dataclass(frozen=True)
class Figures:
    """Medians over the rounds: latencies in ms, rate in requests per second; n: requests of all rounds.

    cpu_ms: processor time of the server per answer, which other work on the machine does not lengthen much; NaN where
    nobody read it.
    """

    p50_ms: float
    p99_ms: float
    rps: float
    n: float
    cpu_ms: float


class LoadFailed(Exception):
    """A server refused requests, or the generator broke."""


def unread(_: str) -> float:
    return math.nan


class Generator:
    """Makes one turn after the other, inside `with`."""

    def __enter__(self) -> Self:
        command = [sys.executable, str(PROGRAM), str(cores.CLIENT)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def turn(self, turn: Turn) -> dict[str, float]:
        """The figures of one turn. Raises LoadFailed."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asdict(turn)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise LoadFailed(f"the generator ended over {turn.url}")
        found = json.loads(line)
        said = found.pop("said")
        if said:
            raise LoadFailed(f"{turn.url}: {found['errors']} of {found['n']} requests refused, such as: {said}")
        return {name: float(value) for name, value in found.items()}

    def interleaved(self, turns: Mapping[str, Turn], rounds: int, cpu_s: CpuSeconds = unread) -> dict[str, Figures]:
        """Medians of each over `rounds` turns, A B C A B C: a noisy minute is everybody's.

        cpu_s: the processor time that the server of a label has used until now, in seconds.
        """
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in turns}
        for _ in range(rounds):
            for name, turn in turns.items():
                before = cpu_s(name)
                run = self.turn(turn)
                run["cpu_ms"] = (cpu_s(name) - before) * 1000 / (run["n"] + turn.warm)
                runs[name].append(run)
        return {name: _medians(each) for name, each in runs.items()}


def _medians(runs: list[dict[str, float]]) -> Figures:
    middle = {name: statistics.median(run[name] for run in runs) for name in ("p50_ms", "p99_ms", "rps", "cpu_ms")}
    return Figures(**middle, n=sum(run["n"] for run in runs))
