"""Rows to scored rows, a block at a time."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pynomaly_scoring import RowRules, Scorer

from detector_service.child.confinement import cores
from detector_service.child.parts import Parts
from detector_service.child.rows import block_of, check_block, check_schema, read_batches
from detector_service.child.scored import Scored, ScoredBatch, write_scored
from detector_service.child.scoring import load_scorer, score_block
from detector_service.child.usage import usage
from detector_service.specs import DetectBatchSpec
from detector_service.training.in_order import in_order
from detector_service.worker.sandbox import ROWS, Report

Numbered = tuple[int, pa.RecordBatch]


def work(folder: Path, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """Leaves a Parquet file in the folder; tells the counts and the new columns. Raises Unfit, ArtefactError.

    What finds parts of the scores in the folder goes on after them.
    """
    began_s, spec = time.perf_counter(), DetectBatchSpec.model_validate(request)
    scorer, parts = load_scorer(folder, request), Parts(folder, request["part_rows"])
    check_schema(folder / ROWS, scorer.manifest.inputs)

    def scored() -> Iterator[ScoredBatch]:
        batches = read_batches(folder / ROWS, cut_every=parts.n_rows)
        for first_row, batch, scores in in_order(cores(), _scoring(scorer, parts), batches):
            parts.add(first_row, scores)
            report("scoring", min(1.0, (first_row + batch.num_rows - 1) / spec.n_rows))
            yield ScoredBatch(batch, scores)

    found = write_scored(folder, scored())
    if found["n_rows"] != spec.n_rows:
        raise RuntimeError(f"the data set has {found['n_rows']} rows, not {spec.n_rows}")
    return {**found, **usage(spec.n_rows, began_s)}


def _scoring(scorer: Scorer, parts: Parts) -> Callable[[Numbered], tuple[int, pa.RecordBatch, Scored]]:
    """Scores a batch, unless its scores are known. Threads may share it."""
    rules = RowRules(scorer.manifest.inputs)

    def score(item: Numbered) -> tuple[int, pa.RecordBatch, Scored]:
        first_row, batch = item
        known = parts.find(first_row, batch.num_rows)
        if known is not None:
            return first_row, batch, known
        block = block_of(first_row, batch, scorer.manifest.inputs)
        check_block(block, rules)
        found = score_block(scorer, block)
        return first_row, batch, Scored(found.raw_score, found.prediction, found.is_anomaly)

    return score
