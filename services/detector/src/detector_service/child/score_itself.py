"""Rows to rows scored against each other."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from detector_service.child.rows import read_blocks
from detector_service.child.scored import Scored, ScoredBatch, write_scored
from detector_service.child.train import columns_of, fit_request, read_rows
from detector_service.child.usage import usage
from detector_service.specs import ScoreItselfSpec
from detector_service.training.itself import ItselfScores, score_itself
from detector_service.worker.sandbox import ROWS, Report


def work(folder: Path, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """Leaves a Parquet file in the folder; tells the counts and the new columns. Raises Unfit."""
    began_s, spec = time.perf_counter(), ScoreItselfSpec.model_validate(request)
    report("reading rows", 0.0)
    rows = read_rows(folder / ROWS, columns_of(spec))
    report("scoring", 0.1)
    found = write_scored(folder, _scored(folder / ROWS, score_itself(fit_request(spec), rows)))
    return {**found, **usage(rows.n_rows, began_s)}


def _scored(path: Path, scores: ItselfScores) -> Iterator[ScoredBatch]:
    for block in read_blocks(path, []):
        begin = block.first_row - 1
        end = begin + block.batch.num_rows
        yield ScoredBatch(
            block.batch,
            Scored(scores.raw_score[begin:end], scores.prediction[begin:end], scores.is_anomaly[begin:end]),
        )
