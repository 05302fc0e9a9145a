"""Measures the peak memory of trainings.

`python peak_memory.py` reads a JSON list of [algorithm, few rows, many rows, columns] from standard input and writes
for each the two peaks, MiB, of a process of its own, as a line of JSON.
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import scipy.stats  # noqa: F401 - loaded before the fork, once for all
from detector_service.algorithms import ALGORITHMS, create_estimator
from detector_service.child.train import work
from detector_service.worker.sandbox import ROWS
from pynomaly_scoring import generate_signing_key


def ignore(stage: str, progress: float) -> None:
    """Nobody watches."""


def train(folder: Path, algorithm: str, n_rows: int, n_columns: int) -> None:
    """As a child does, on normal numbers with a few far out."""
    rows = np.random.default_rng(0).normal(size=(n_rows, n_columns))
    rows[: n_rows // 2] += 6  # two clusters, as some algorithms want
    rows[::50] *= 4
    names = [f"c{number}" for number in range(n_columns)]
    with pa.ipc.new_stream(folder / ROWS, pa.schema([(name, pa.float64()) for name in names])) as writer:
        for begin in range(0, n_rows, 50_000):
            block = rows[begin : begin + 50_000]
            writer.write_batch(pa.record_batch([block[:, number].copy() for number in range(n_columns)], names=names))
    del rows
    if not (folder / "key").exists():
        generate_signing_key(folder / "key", folder / "public")
    request: dict[str, Any] = {
        "dataset_id": str(UUID(int=1)),
        "dataset_version": "1",
        "feature_columns": names,
        "detector_name": "measured",
        "algorithm": algorithm,
        "contamination": 0.1,
        "parameters": {},
        "seed": 0,
        "ignored_columns": [],
        "n_rows": n_rows,
        "signing_key": str(folder / "key"),
    }
    work(folder, request, ignore)


def peaks_mb(algorithm: str, few: int, many: int, n_columns: int) -> list[float]:
    """Of one process that trains on few rows, and then on many. Raises ValueError where a training fails."""
    with tempfile.TemporaryDirectory() as name:
        answer, told = os.pipe()
        pid = os.fork()
        if pid == 0:
            for n_rows in (few, many):
                Path("/proc/self/clear_refs").write_text("5", "ascii")  # the peak is the present, says proc(5)
                train(Path(name), algorithm, n_rows, n_columns)
                os.write(told, Path("/proc/self/status").read_bytes())
            os._exit(0)
        os.waitpid(pid, 0)
        os.close(told)
        with os.fdopen(answer) as status:
            lines = [line for line in status if line.startswith("VmHWM:")]
    if len(lines) != 2:
        raise ValueError(f"{algorithm} cannot be trained on {few} or {many} rows")
    return [int(line.split()[1]) / 1024 for line in lines]


if __name__ == "__main__":
    for algorithm in ALGORITHMS.values():
        create_estimator(algorithm, {}, 0.1, 0)  # imports what it is made of
    for asked in json.load(sys.stdin):
        sys.stdout.write(json.dumps(peaks_mb(*asked)) + "\n")
        sys.stdout.flush()
