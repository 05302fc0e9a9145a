"""An Isolation Forest from a CSV file to a registered model, beside PyOD by itself."""

import time
from pathlib import Path

import cores
import psutil
from alone import Measured, alone
from figures import Bar, Outcome
from files import fractions, upload_s, write_csv
from pynomaly_contracts.jobs import FINISHED
from stage import EXAMPLES, MIB, OURS, Stage, peak_bytes

SHUTTLE, LABELS = EXAMPLES / "shuttle.csv", {"target_column": "is_anomaly"}
MAX_TIMES, PLUS_S = 1.5, 1.0
MIN_TIMES, MAX_GIB = 10, 1.5
POLL_S = 0.02


def measure(stage: Stage) -> Outcome:
    n_rows = 1_000_000 if stage.quick else 10_000_000
    rounds = range(1 if stage.quick else 3)
    pairs = [(_trained(stage, SHUTTLE, "bench-shuttle", **LABELS), alone("pyod_fit", SHUTTLE)) for _ in rounds]
    small, bare = (sorted(each, key=_seconds)[len(pairs) // 2] for each in zip(*pairs, strict=True))
    file = write_csv(stage.folder / "forest.csv", n_rows, fractions, decimals=3)
    large, theirs = _trained(stage, file, "bench-forest"), alone("pandas_pyod", file)
    file.unlink()
    bars = [_shuttle(small.seconds, bare.seconds), *_large(n_rows, large, theirs)]
    numbers = {
        "shuttle": {OURS: small.seconds, "PyOD, fit alone": bare.seconds},
        "large": {OURS: large.seconds, "pandas and PyOD": theirs.seconds},
        "large_mib": {OURS: large.mib, "pandas and PyOD": theirs.mib},
    }
    return Outcome(bars, numbers=numbers)


def _seconds(measured: Measured) -> float:
    return measured.seconds


def _trained(stage: Stage, file: Path, name: str, **fields: str) -> Measured:
    """Seconds from the file until its model is there, and the peak of the worker's processes."""
    with cores.unpinned():
        stage.suite.restart("detector-worker")
    began = time.perf_counter()
    upload_s(stage.suite.ports.url("dataset"), file, name=name, **fields)
    detector = stage.client.detectors.create(name, algorithm="IForest")
    job = stage.client.detectors.train(detector.id, name)
    peak = 0
    while job.state().state not in FINISHED:
        peak = max(peak, _peak_bytes(stage.suite.pid_of("detector-worker")))
        time.sleep(POLL_S)
    job.wait(progress=False)  # raises where it failed
    seconds = time.perf_counter() - began
    stage.client.detectors.delete(name)
    stage.client.datasets.delete(name)
    return Measured(seconds, peak / MIB)


def _peak_bytes(pid: int) -> int:
    """Of a process and those that it has just now."""
    found = peak_bytes(pid)
    for child in psutil.Process(pid).children(recursive=True):
        try:
            found += peak_bytes(child.pid)
        except (FileNotFoundError, psutil.NoSuchProcess, IndexError):  # it has just ended
            continue
    return found


def _shuttle(own_s: float, bare_s: float) -> Bar:
    figure = f"{own_s:.2f} s; PyOD's fit alone {bare_s:.2f} s"
    name = "IForest on shuttle (49,097 x 9), from the file to the registered model"
    return Bar(name, figure, f"<= {MAX_TIMES}x + {PLUS_S:g} s", own_s <= MAX_TIMES * bare_s + PLUS_S)


def _large(n_rows: int, own: Measured, theirs: Measured) -> list[Bar]:
    ratio, gib = theirs.seconds / own.seconds, own.mib / 1024
    name = f"IForest on {n_rows:,} rows x 20, likewise"
    figure = f"{own.seconds:.1f} s; pandas and PyOD {theirs.seconds:.1f} s: 1/{ratio:.1f}"
    memory = f"{gib:.2f} GiB; pandas and PyOD {theirs.mib / 1024:.2f} GiB"
    return [
        Bar(name, figure, f"<= 1/{MIN_TIMES}", ratio >= MIN_TIMES),
        Bar(f"{name}: peak memory of the training", memory, f"<= {MAX_GIB} GiB", gib <= MAX_GIB),
    ]
