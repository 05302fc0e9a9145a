"""Each process of the suite: from its start until it is ready, and its memory while nobody asks anything."""

import time

import cores
import psutil
from figures import Outcome, markdown
from stage import MIB, Stage, pin, tree_bytes, until_at_rest

PROCESSES = ("dataset", "detector", "detector-worker", "model", "gateway")


def measure(stage: Stage) -> Outcome:
    """Medians of starts on every core; the suite is left as it was found."""
    n_starts = 1 if stage.quick else 3
    with cores.unpinned():
        found = {name: sorted(_started(stage, name) for _ in range(n_starts))[n_starts // 2] for name in PROCESSES}
    pin(stage.suite)
    cells = [[name, f"{seconds:.2f}", f"{mib:.0f}"] for name, (seconds, mib) in found.items()]
    table = markdown(["process", "s to ready", "MiB idle"], cells)
    return Outcome([], [f"Each process, started again on every core, state kept:\n\n{table}"], found)


def _started(stage: Stage, name: str) -> tuple[float, float]:
    stage.suite.restart(name)
    pid = stage.suite.pid_of(name)
    seconds = time.time() - psutil.Process(pid).create_time()
    until_at_rest(pid)
    return seconds, tree_bytes(pid) / MIB
