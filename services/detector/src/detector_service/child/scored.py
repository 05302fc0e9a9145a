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
from detector_service.sandbox import ROWS, SCORED

_TYPES = {"raw_score": pa.float64(), "prediction": pa.float64(), "is_anomaly": pa.bool_()}


class ScoredBatch(NamedTuple):
    """Rows as they were read, and the scores of each, (n_rows,)."""

    batch: pa.RecordBatch
    raw_score: NDArray[np.float64]
    prediction: NDArray[np.float64]
    is_anomaly: NDArray[np.bool_]


def write_scored(folder: Path, batches: Iterable[ScoredBatch]) -> dict[str, Any]:
    """Leaves a Parquet file of the folder's rows; tells the counts and the new columns."""
    schema = read_schema(folder / ROWS)
    names = score_columns(schema.names)
    for score, name in names.items():
        schema = schema.append(pa.field(name, _TYPES[score], nullable=False))
    schema = schema.remove_metadata()
    n_rows = n_anomalies = 0
    with pq.ParquetWriter(folder / SCORED, schema) as writer:
        for batch, *scores in batches:
            writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, *map(pa.array, scores)], schema=schema))
            n_rows += batch.num_rows
            n_anomalies += int(scores[-1].sum())
    return {"n_rows": n_rows, "n_anomalies": n_anomalies, "score_columns": names}
