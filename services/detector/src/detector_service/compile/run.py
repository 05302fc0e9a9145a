"""Running a graph where it is built."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from pynomaly_scoring import Rows
from pynomaly_scoring.runtime import ort

from detector_service.compile.graph import INPUT, TEXT, WORKING_BYTES

_BLOCK_BYTES = 64 * 2**20


def run_graph(model: onnx.ModelProto, rows: NDArray[np.float64] | Rows, *, threads: int = 1) -> dict[str, NDArray[Any]]:
    """Every output of the graph for rows (n_rows, n_features), by name, computed in blocks of bounded memory."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    block = max(1, _BLOCK_BYTES // _working_bytes(model))
    whole = rows if isinstance(rows, Rows) else Rows(rows)
    starts = range(0, max(whole.n_rows, 1), block)
    parts = [session.run(names, _feed(whole.part(start, start + block))) for start in starts]
    return {name: np.concatenate(part) for name, part in zip(names, zip(*parts, strict=True), strict=True)}


def _feed(rows: Rows) -> dict[str, NDArray[Any]]:
    return {INPUT: rows.numeric} if rows.text is None else {INPUT: rows.numeric, TEXT: rows.text}


def _working_bytes(model: onnx.ModelProto) -> int:
    return next(int(entry.value) for entry in model.metadata_props if entry.key == WORKING_BYTES)
