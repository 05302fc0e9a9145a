"""Scores as Arrow IPC streams and Parquet files. Imports pyarrow, so import it only where one is wanted."""

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pynomaly_scoring import Scores

from model_service.runtime import ServedModel


def write_arrow(model: ServedModel, scores: Scores, _elapsed_s: float) -> bytes:
    """One column per score; the schema's metadata names the model, its version and its threshold."""
    table = _table(model, scores)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def write_parquet(model: ServedModel, scores: Scores, _elapsed_s: float) -> bytes:
    """As `write_arrow`."""
    sink = pa.BufferOutputStream()
    pq.write_table(_table(model, scores), sink)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _table(model: ServedModel, scores: Scores) -> Any:
    columns = {"prediction": scores.prediction, "is_anomaly": scores.is_anomaly, "raw_score": scores.raw_score}
    if scores.confidence is not None:
        columns["confidence"] = scores.confidence
    about = {
        "model_id": model.model_id_text,
        "model_name": model.name,
        "model_version": model.number,
        "threshold": repr(model.threshold),
    }
    return pa.table(columns).replace_schema_metadata(about)
