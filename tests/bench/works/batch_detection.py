"""A stored data set scored into another, beside ONNX Runtime on the same rows in a process of its own."""

import statistics
import time

import polars as pl
from alone import alone
from artefacts import opened
from dialects import MODEL
from figures import Bar, Outcome
from pynomaly_contracts.jobs import FINISHED
from stage import Stage

MIN_SHARE = 0.5
NAME, SCORED = "bench-batch", "bench-scored"
POLL_S = 0.02


def measure(stage: Stage) -> Outcome:
    """Medians of turns. Both read a file and write another."""
    n_rows = 200_000 if stage.quick else 2_000_000
    rows, graph = stage.folder / "batch.parquet", stage.folder / "batch.onnx"
    pl.DataFrame(stage.drawn(n_rows), schema=stage.names).write_parquet(rows)
    graph.write_bytes(opened(stage, MODEL).model)
    stage.client.datasets.upload(rows, name=NAME)
    own, theirs = [], []
    for _ in range(1 if stage.quick else 3):
        own.append(n_rows / _scored_s(stage))
        theirs.append(n_rows / alone("onnx_rows", rows, graph, ",".join(stage.names)).seconds)
    stage.client.datasets.delete(NAME)
    return Outcome(
        [_bar(n_rows, statistics.median(own), statistics.median(theirs))], numbers={"own": own, "onnx": theirs}
    )


def _scored_s(stage: Stage) -> float:
    """Seconds from asking for it until the scores are a data set."""
    began = time.perf_counter()
    job = stage.client.detect_batch(NAME, MODEL, name=SCORED)
    while job.state().state not in FINISHED:
        time.sleep(POLL_S)
    job.wait(progress=False)  # raises where it failed
    seconds = time.perf_counter() - began
    stage.client.datasets.delete(SCORED)
    return seconds


def _bar(n_rows: int, own: float, theirs: float) -> Bar:
    figure = f"{own:,.0f} rows/s; ONNX Runtime in process {theirs:,.0f}: {own / theirs:.2f}x"
    return Bar(f"batch detection of {n_rows:,} rows x 20", figure, f">= {MIN_SHARE}x", own >= MIN_SHARE * theirs)
