"""Rows to scored rows, a block at a time."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from detector_service.child.rows import Block, read_checked, read_schema
from detector_service.child.scoring import load_scorer
from detector_service.domain import score_columns
from detector_service.sandbox import ROWS, SCORED, Report
from detector_service.specs import DetectBatchSpec

_TYPES = {"raw_score": pa.float64(), "prediction": pa.float64(), "is_anomaly": pa.bool_()}


def work(folder: Path, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """Leaves a Parquet file in the folder; tells the counts and the new columns. Raises Unfit, ArtefactError."""
    spec = DetectBatchSpec.model_validate(request)
    scorer = load_scorer(folder, request)
    schema = read_schema(folder / ROWS)
    names = score_columns(schema.names)
    for score, name in names.items():
        schema = schema.append(pa.field(name, _TYPES[score], nullable=False))
    n_rows = n_anomalies = 0
    with pq.ParquetWriter(folder / SCORED, schema.remove_metadata()) as writer:
        for block in read_checked(folder / ROWS, scorer.manifest.inputs):
            scores = scorer.score_rows(block.rows, confidence=False)
            writer.write_batch(_scored(block, schema, scores.raw_score, scores.prediction, scores.is_anomaly))
            n_rows += block.batch.num_rows
            n_anomalies += int(scores.is_anomaly.sum())
            report("scoring", min(1.0, n_rows / spec.n_rows))
    return {"n_rows": n_rows, "n_anomalies": n_anomalies, "score_columns": names}


def _scored(block: Block, schema: pa.Schema, *scores: Any) -> pa.RecordBatch:
    columns = [*block.batch.columns, *map(pa.array, scores)]
    return pa.RecordBatch.from_arrays(columns, schema=schema.remove_metadata())
