"""make bench: what a prediction costs, beside the peers that serve the same forest, on this machine and in this run.

python tests/bench/run.py [--quick] [--no-peers] [--only NAME ...] [--write docs/benchmarks.md]
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
    bulk,
    costs,
    guarded_calls,
    many_models,
    many_rows,
    neighbours,
    one_row,
    start,
    stream,
    tails,
    whole_suite,
)

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "build" / "bench.json"
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
    "whole_suite": whole_suite.measure,
    "guarded_calls": guarded_calls.measure,
}
OURS = ("onnxruntime", "numpy", "pyod", "scikit-learn", "uvicorn")


def machine() -> str:
    cores = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    own = ", ".join(f"{name} {version(name)}" for name in OURS)
    first_lines = [file.read_text().partition("\n")[0] for file in sorted(PEERS.glob("*.in"))]
    peers = ", ".join(line.replace("==", " ") for line in first_lines)
    return f"{cores}; {own}; peers: {peers}."


def outcomes(stage: Stage, names: Sequence[str]) -> dict[str, Outcome]:
    found = {}
    for name in names:
        began = time.perf_counter()
        found[name] = WORKS[name](stage)
        print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return found


def report(found: dict[str, Outcome]) -> str:
    bars = [bar for outcome in found.values() for bar in outcome.bars]
    tables = [table for outcome in found.values() for table in outcome.tables]
    return "\n\n".join([bars_table(bars), *tables, machine()])


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
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    with stage_set(quick=options.quick, with_peers=not options.no_peers) as stage:
        found = outcomes(stage, options.only)
    save(found)
    text = report(found)
    print(text)
    if options.write:
        write(options.write, text)
        draw(RESULTS, options.write.parent / "images" / "bench.png")
    bars: list[Bar] = [bar for outcome in found.values() for bar in outcome.bars]
    return 0 if all(bar.met for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
