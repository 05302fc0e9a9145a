"""What runs, written down for `status`, `stop` and for the start after a crash."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGTERM

import psutil

from pynomaly_suite.files import write_whole
from pynomaly_suite.ports import Ports
from pynomaly_suite.reaper import stop_group

SAME_START_S = 2.0  # a start time is derived from the boot time, which the clock moves
GRACE_S = 30.0


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A process id together with its start, because ids are used again. `created_s` counts from 1970."""

    name: str
    pid: int
    created_s: float
    stop_signal: int = SIGTERM

    @classmethod
    def of(cls, name: str, pid: int, stop_signal: int = SIGTERM) -> "RunningProcess":
        """Raises:
        psutil.NoSuchProcess: it has ended.
        """
        return cls(name, pid, psutil.Process(pid).create_time(), stop_signal)

    def alive(self) -> bool:
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created_s) < SAME_START_S
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def stop(self) -> None:
        """End it and its group, where it still runs."""
        if self.alive():
            stop_group(self.pid, self.stop_signal, GRACE_S, self.alive)


@dataclass(frozen=True, slots=True)
class State:
    """A suite that runs, or ran: its supervisor, its ports, and its processes in the order of starting."""

    supervisor: RunningProcess
    ports: Ports
    processes: tuple[RunningProcess, ...] = ()

    def save(self, path: Path) -> None:
        write_whole(path, json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, path: Path) -> "State | None":
        """None where no suite has been started, or the last one ended in order."""
        if not path.exists():
            return None
        read = json.loads(path.read_text())
        processes = tuple(RunningProcess(**each) for each in read["processes"])
        return cls(RunningProcess(**read["supervisor"]), Ports(**read["ports"]), processes)

    def stop_leftovers(self) -> None:
        """End what outlived both its supervisor and its reaper, the last started first."""
        for process in reversed(self.processes):
            process.stop()


def supervisor_pid(path: Path) -> Callable[[], int | None]:
    """A function that tells the living supervisor of the state in `path`, if any."""

    def living() -> int | None:
        state = State.load(path)
        return state.supervisor.pid if state and state.supervisor.alive() else None

    return living
