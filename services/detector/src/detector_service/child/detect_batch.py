"""Rows to scored rows, a block at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pynomaly_scoring import Scorer

from detector_service.child.rows import read_checked
from detector_service.child.scored import ScoredBatch, write_scored
from detector_service.child.scoring import load_scorer, score_block
from detector_service.sandbox import ROWS, Report
from detector_service.specs import DetectBatchSpec


def work(folder: Path, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """Leaves a Parquet file in the folder; tells the counts and the new columns. Raises Unfit, ArtefactError."""
    spec = DetectBatchSpec.model_validate(request)
    return write_scored(folder, _scored(load_scorer(folder, request), folder / ROWS, spec.n_rows, report))


def _scored(scorer: Scorer, path: Path, n_expected: int, report: Report) -> Iterator[ScoredBatch]:
    n_rows = 0
    for block in read_checked(path, scorer.manifest.inputs):
        scores = score_block(scorer, block)
        yield ScoredBatch(block.batch, scores.raw_score, scores.prediction, scores.is_anomaly)
        n_rows += block.batch.num_rows
        report("scoring", min(1.0, n_rows / n_expected))
