"""Rows with their scores, as the file that becomes a data set."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from detector_service.child.rows import read_schema
from detector_service.domain import score_columns
from detector_service.worker.sandbox import ROWS, SCORED

SCORE_TYPES = {"raw_score": pa.float64(), "prediction": pa.float64(), "is_anomaly": pa.bool_()}


class Scored(NamedTuple):
    """Each (n_rows,)."""

    raw_score: NDArray[np.float64]
    prediction: NDArray[np.float64]
    is_anomaly: NDArray[np.bool_]


class ScoredBatch(NamedTuple):
    """Rows as they were read, and the scores of each."""

    batch: pa.RecordBatch
    scores: Scored


def write_scored(folder: Path, batches: Iterable[ScoredBatch]) -> dict[str, Any]:
    """Leaves a Parquet file of the folder's rows; tells the counts and the new columns."""
    schema = read_schema(folder / ROWS)
    names = score_columns(schema.names)
    for score, name in names.items():
        schema = schema.append(pa.field(name, SCORE_TYPES[score], nullable=False))
    schema = schema.remove_metadata()
    n_rows = n_anomalies = 0
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
    # Numbers seldom repeat: a dictionary of them would be made in vain, which takes longer than all the rest.
    with pq.ParquetWriter(folder / SCORED, schema, use_dictionary=texts or False) as writer:
        for batch, scores in batches:
            writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, *map(pa.array, scores)], schema=schema))
            n_rows += batch.num_rows
            n_anomalies += int(scores.is_anomaly.sum())
    return {"n_rows": n_rows, "n_anomalies": n_anomalies, "score_columns": names}
