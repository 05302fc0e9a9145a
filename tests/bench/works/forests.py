"""An Isolation Forest from a CSV file to a registered model, beside PyOD by itself."""

import time
from pathlib import Path
from typing import NamedTuple

import cores
import psutil
from alone import Measured, alone
from figures import Bar, Outcome
from files import fractions, upload_s, write_csv
from pynomaly_contracts.jobs import FINISHED
from stage import EXAMPLES, MIB, OURS, Stage, peak_bytes, until_at_rest

SHUTTLE, LABELS = EXAMPLES / "shuttle.csv", "is_anomaly"
MAX_TIMES, PLUS_S = 1.5, 1.0
MIN_TIMES, MAX_GIB = 10, 1.5
POLL_S = 0.02


class Trained(NamedTuple):
    """Seconds from the file, and from the stored data set, until the model is registered; peak of the worker, MiB."""

    seconds: float
    from_stored_s: float
    mib: float


def measure(stage: Stage) -> Outcome:
    n_rows = 1_000_000 if stage.quick else 10_000_000
    rounds = range(1 if stage.quick else 3)
    first = _trained(stage, SHUTTLE, "bench-first", LABELS, at_rest=False)
    pairs = [(_trained(stage, SHUTTLE, "bench-shuttle", LABELS), alone("pyod_fit", SHUTTLE)) for _ in rounds]
    small, bare = (sorted(each, key=_seconds)[len(pairs) // 2] for each in zip(*pairs, strict=True))
    file = write_csv(stage.folder / "forest.csv", n_rows, fractions, decimals=3)
    large, theirs = _trained(stage, file, "bench-forest"), alone("pandas_pyod", file)
    file.unlink()
    bars = [*_shuttle(small.seconds, first.seconds, bare.seconds), *_large(n_rows, large, theirs)]
    numbers = {
        "shuttle": {OURS: small.seconds, f"{OURS}, first": first.seconds, "PyOD, fit alone": bare.seconds},
        "large": {OURS: large.seconds, f"{OURS}, stored": large.from_stored_s, "pandas and PyOD": theirs.seconds},
        "large_mib": {OURS: large.mib, "pandas and PyOD": theirs.mib},
    }
    return Outcome(bars, numbers=numbers)


def _seconds(measured: Measured | Trained) -> float:
    return measured.seconds


def _trained(stage: Stage, file: Path, name: str, target: str | None = None, *, at_rest: bool = True) -> Trained:
    """By a worker that has just started; at_rest: once its child in reserve has read its libraries. target:
    the labels' column."""
    with cores.unpinned():
        stage.suite.restart("detector-worker")
    worker = psutil.Process(stage.suite.pid_of("detector-worker"))
    if at_rest:
        until_at_rest(worker.pid)
    began = time.perf_counter()
    fields = {} if target is None else {"target_column": target}
    upload_s(stage.suite.ports.url("dataset"), file, name=name, **fields)
    detector = stage.client.detectors.create(name, algorithm="IForest")
    stored = time.perf_counter()
    job = stage.client.detectors.train(detector.id, name)
    peak = 0
    while job.state().state not in FINISHED:
        peak = max(peak, _peak_bytes(worker.pid))
        time.sleep(POLL_S)
    job.wait(progress=False)  # raises where it failed
    ended = time.perf_counter()
    stage.client.detectors.delete(name)
    stage.client.datasets.delete(name)
    return Trained(ended - began, ended - stored, peak / MIB)


def _peak_bytes(pid: int) -> int:
    """Of a process and those that it has just now."""
    found = peak_bytes(pid)
    for child in psutil.Process(pid).children(recursive=True):
        try:
            found += peak_bytes(child.pid)
        except (FileNotFoundError, psutil.NoSuchProcess, IndexError):  # it has just ended
            continue
    return found


def _shuttle(own_s: float, first_s: float, bare_s: float) -> list[Bar]:
    name = "IForest on shuttle (49,097 x 9), from the file to the registered model"
    figure = f"{own_s:.2f} s; PyOD's fit alone {bare_s:.2f} s"
    return [
        Bar(name, figure, f"<= {MAX_TIMES}x + {PLUS_S:g} s", own_s <= MAX_TIMES * bare_s + PLUS_S),
        Bar(f"{name}: the first job of a worker that has just started", f"{first_s:.2f} s"),
    ]


def _large(n_rows: int, own: Trained, theirs: Measured) -> list[Bar]:
    name, gib = f"IForest on {n_rows:,} rows x 20", own.mib / 1024
    ways = {"from the stored data set to the registered model": own.from_stored_s, "from the file": own.seconds}
    bars = []
    for way, seconds in ways.items():
        ratio = theirs.seconds / seconds
        figure = f"{seconds:.1f} s; pandas and PyOD {theirs.seconds:.1f} s: 1/{ratio:.1f}"
        bars.append(Bar(f"{name}, {way}", figure, f"<= 1/{MIN_TIMES}", ratio >= MIN_TIMES))
    memory = f"{gib:.2f} GiB; pandas and PyOD {theirs.mib / 1024:.2f} GiB"
    return [*bars, Bar(f"{name}: peak memory of the training", memory, f"<= {MAX_GIB} GiB", gib <= MAX_GIB)]
