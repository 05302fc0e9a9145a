"""make bench: what predictions and data cost, beside peers and floors, on this machine and in this run.

python tests/bench/run.py [--quick] [--no-peers] [--only NAME ...] [--write]
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from figures import Bar, Outcome, bars_table
from plot import draw
from servers import PEERS
from stage import Stage, stage_set
from works import (
    batch_detection,
    bulk,
    costs,
    forests,
    guarded_calls,
    idle,
    lists,
    many_models,
    many_rows,
    neighbours,
    one_row,
    start,
    stream,
    tails,
    upload,
    whole_suite,
)

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "build" / "bench.json"
DOCUMENT, README, PICTURE = ROOT / "docs" / "benchmarks.md", ROOT / "README.md", ROOT / "docs" / "images" / "bench.png"
MARKS = ("<!-- figures -->", "<!-- /figures -->")
WORKS: dict[str, Callable[[Stage], Outcome]] = {
    "one_row": one_row.measure,
    "many_rows": many_rows.measure,
    "bulk": bulk.measure,
    "stream": stream.measure,
    "tails": tails.measure,
    "neighbours": neighbours.measure,
    "start": start.measure,
    "many_models": many_models.measure,
    "costs": costs.measure,
    "upload": upload.measure,
    "forests": forests.measure,
    "batch_detection": batch_detection.measure,
    "lists": lists.measure,
    "idle": idle.measure,
    "whole_suite": whole_suite.measure,
    "guarded_calls": guarded_calls.measure,
}
IN_README = """\
One Isolation Forest, served here and by MLServer, MLflow, BentoML and KServe in the same run: one core for the servers,
one for the callers; ours with validation, verified signature, confidence and metrics on ([how it is measured, and where
the time goes](docs/benchmarks.md), `make bench`). Uploads, trainings from a file, batches and lists have every core:"""
PICTURED = "![The forest beside the peers: one row, 16 callers, 1,000 and 100,000 rows](images/bench.png)"
OURS = ("onnxruntime", "numpy", "pyod", "scikit-learn", "uvicorn")


def machine() -> str:
    cores = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    own = ", ".join(f"{name} {version(name)}" for name in OURS)
    first_lines = [file.read_text().partition("\n")[0] for file in sorted(PEERS.glob("*.in"))]
    peers = ", ".join(line.replace("==", " ") for line in first_lines)
    return f"{cores}; {own}; peers: {peers}."


def measure(stage: Stage, names: Sequence[str], found: dict[str, Outcome]) -> None:
    """Each work in turn into `found`, and how long it took on standard error."""
    for name in names:
        began = time.perf_counter()
        found[name] = WORKS[name](stage)
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)


def bars_of(found: dict[str, Outcome]) -> list[Bar]:
    return [bar for outcome in found.values() for bar in outcome.bars]


def report(found: dict[str, Outcome]) -> str:
    tables = [table for outcome in found.values() for table in outcome.tables]
    return "\n\n".join([bars_table(bars_of(found)), *tables, machine()])


def write(path: Path, text: str) -> None:
    """Put the report between the marks of the document."""
    head, _, rest = path.read_text().partition(MARKS[0])
    tail = rest.partition(MARKS[1])[2]
    path.write_text(f"{head}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{tail}")


def save(found: dict[str, Outcome]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({name: dict(outcome.numbers) for name, outcome in found.items()}, indent=1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short turns, few rounds: do not believe the figures")
    parser.add_argument("--no-peers", action="store_true", help="install and start no peer")
    parser.add_argument("--only", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--write", action="store_true", help="put the figures into README.md and docs/")
    options = parser.parse_args()
    if options.write and (options.quick or options.no_peers or options.only != list(WORKS)):
        parser.error("--write is for the figures of a whole run")
    found: dict[str, Outcome] = {}
    try:
        with stage_set(quick=options.quick, with_peers=not options.no_peers) as stage:
            measure(stage, options.only, found)
    finally:  # what broke on the way does not take the rest along
        save(found)
        print(report(found))
    if options.write:
        write(DOCUMENT, f"{report(found)}\n\n{PICTURED}")
        write(README, f"{IN_README}\n\n{bars_table([bar for bar in bars_of(found) if bar.bar])}")
        draw(RESULTS, PICTURE)
    return 0 if all(bar.met for bar in bars_of(found)) else 1


if __name__ == "__main__":
    sys.exit(main())
