"""make bench: what one prediction costs, against the same forest in PyOD, on this machine and in this run.

python tests/bench/run.py [--quick] [--write docs/benchmarks.md]
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pynomaly
from pynomaly_suite import Suite, status, temporary_suite

HERE = Path(__file__).parent
THYROID = HERE.parents[1] / "examples" / "data" / "thyroid.csv"
SERVER_CPU, CLIENT_CPU = 0, 1
MIB = 2**20


@dataclass(frozen=True)
class Bar:
    """One row of the table: a figure, what it must be, and whether it is."""

    name: str
    figure: str
    bar: str
    met: bool


def load(url: str, body: Path, connections: int, n_requests: int) -> dict[str, float]:
    """Median figures of three runs of the generator, pinned away from the servers."""
    runs = [_load_once(url, body, connections, n_requests) for _ in range(3)]
    assert not any(run["errors"] for run in runs), f"{url}: errors under load"
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _load_once(url: str, body: Path, connections: int, n_requests: int) -> dict[str, float]:
    command = [
        sys.executable,
        str(HERE / "load.py"),
        url,
        str(body),
        str(connections),
        str(n_requests),
        str(CLIENT_CPU),
    ]
    found: dict[str, float] = json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=120).stdout
    )
    return found


def train(client: pynomaly.Client) -> dict[str, float]:
    """An Isolation Forest with PyOD's defaults on thyroid, called "bench"; returns one of its rows."""
    dataset = client.datasets.upload(THYROID, name="thyroid", target_column="is_anomaly")
    detector = client.detectors.create(name="bench", algorithm="IForest")
    client.detectors.train(detector.id, dataset.id).wait(progress=False)
    return next(iter(client.datasets.rows(dataset.id, columns=dataset.feature_columns, limit=1)))


def pyod_row_ms(n_calls: int) -> float:
    """Median milliseconds of decision_function on one row, same data, same parameters, in process."""
    from pyod.models.iforest import IForest  # noqa: PLC0415 - 2 s that only this needs

    rows = np.loadtxt(THYROID, delimiter=",", skiprows=1)[:, :-1]
    forest = IForest(random_state=0).fit(rows)
    took = []
    for i in range(n_calls):
        began = time.perf_counter()
        forest.decision_function(rows[i : i + 1])
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def pin_servers(suite_pid: int) -> None:
    """Every process of the suite to one core, the load generator has the other."""
    for process in psutil.Process(suite_pid).children(recursive=True):
        process.cpu_affinity([SERVER_CPU])


def measure(suite: Suite, started_s: float, *, quick: bool) -> tuple[list[Bar], str]:
    client = pynomaly.Client(url=suite.url)
    row = train(client)
    n = 2_000 if quick else 10_000
    with tempfile.NamedTemporaryFile("w", suffix=".json") as body:
        body.write(json.dumps({"data": row, "model_id": "bench", "return_confidence": True}))
        body.flush()
        pin_servers(os.getpid())
        path = "/api/v1/predict"
        direct = load(suite.ports.url("model") + path, Path(body.name), 1, n)
        busy = load(suite.ports.url("model") + path, Path(body.name), 16, n)
        door = load(suite.url + path, Path(body.name), 1, n)
    pyod_ms = pyod_row_ms(100 if quick else 300)
    return bars(direct, busy, door, pyod_ms, started_s), memory_table(suite)


def bars(
    direct: dict[str, float], busy: dict[str, float], door: dict[str, float], pyod_ms: float, started_s: float
) -> list[Bar]:
    p50, ratio, speedup = direct["p50_ms"], door["p50_ms"] / direct["p50_ms"], pyod_ms / direct["p50_ms"]
    tail = busy["p99_ms"] / busy["p50_ms"]
    return [
        Bar("1 row, model service, c=1, p50", f"{p50:.3f} ms", "<= 0.5 ms", p50 <= 0.5),
        Bar("1 row, model service, c=16, rate", f"{busy['rps']:,.0f} rps", ">= 2,500 rps", busy["rps"] >= 2500),
        Bar("1 row, model service, c=16, p99 / p50", f"{tail:.2f}", "<= 3", tail <= 3),
        Bar(
            "1 row, through the gateway, c=1, p50 / direct",
            f"{ratio:.2f} ({door['p50_ms']:.3f} ms)",
            "<= 2.5",
            ratio <= 2.5,
        ),
        Bar(
            "PyOD decision_function in process / our HTTP p50",
            f"{speedup:.1f}x ({pyod_ms:.2f} ms)",
            ">= 10x",
            speedup >= 10,
        ),
        Bar("first start to ready", f"{started_s:.1f} s", "told", met=True),
    ]


def memory_table(suite: Suite) -> str:
    """Resident memory of each process, MiB."""
    lines = ["| process | RSS, MiB |", "|---|---|"]
    processes = status(suite.home.root).processes
    lines += [f"| {process.name} | {tree_rss(process.pid) / MIB:.0f} |" for process in processes]
    return "\n".join(lines)


def tree_rss(pid: int) -> int:
    process = psutil.Process(pid)
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))


def table(rows: list[Bar]) -> str:
    lines = ["| figure | measured | bar | |", "|---|---|---|---|"]
    lines += [f"| {row.name} | {row.figure} | {row.bar} | {'met' if row.met else '**missed**'} |" for row in rows]
    return "\n".join(lines)


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    began = time.perf_counter()
    with temporary_suite() as suite:
        rows, memory = measure(suite, time.perf_counter() - began, quick=options.quick)
    report = f"{table(rows)}\n\nMemory after training, predicting and a minute's work:\n\n{memory}\n\n{machine()}.\n"
    print(report)
    if options.write:
        text = options.write.read_text()
        head, _, _ = text.partition("<!-- figures -->")
        options.write.write_text(f"{head}<!-- figures -->\n\n{report}")
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
