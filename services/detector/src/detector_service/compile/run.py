"""Running a graph where it is built."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from pynomaly_scoring import Rows
from pynomaly_scoring.forests import FEWEST_ROWS, TreePass
from pynomaly_scoring.runtime import ort

from detector_service.compile.graph import INPUT, TEXT, WORKING_BYTES

_BLOCK_BYTES = 64 * 2**20


class GraphRun:
    """A graph that is loaded once and run on many rows; threads may share it."""

    def __init__(self, model: onnx.ModelProto, *, threads: int = 1) -> None:
        written = model.SerializeToString()
        self._session = _open(written, threads)
        self._trees = TreePass.of(written, lambda part: _open(part, threads))
        self._names = [output.name for output in self._session.get_outputs()]
        self._block_rows = max(1, _BLOCK_BYTES // _working_bytes(model))

    def __call__(self, rows: NDArray[np.float64] | Rows) -> dict[str, NDArray[Any]]:
        """Every output for rows (n_rows, n_features), by name, computed in blocks of bounded memory."""
        whole, size = rows if isinstance(rows, Rows) else Rows(rows), self._block_rows
        starts = range(0, max(whole.n_rows, 1), size)
        way = self._session if self._trees is None or whole.n_rows < FEWEST_ROWS else self._trees
        parts = [way.run(self._names, _feed(whole.part(start, start + size))) for start in starts]
        return {name: np.concatenate(part) for name, part in zip(self._names, zip(*parts, strict=True), strict=True)}


def run_graph(model: onnx.ModelProto, rows: NDArray[np.float64] | Rows, *, threads: int = 1) -> dict[str, NDArray[Any]]:
    """Every output of the graph for rows (n_rows, n_features), by name, computed in blocks of bounded memory."""
    return GraphRun(model, threads=threads)(rows)


def _open(model: bytes, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # of parts of a graph it would tell what else the whole has
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _feed(rows: Rows) -> dict[str, NDArray[Any]]:
    return {INPUT: rows.numeric} if rows.text is None else {INPUT: rows.numeric, TEXT: rows.text}


def _working_bytes(model: onnx.ModelProto) -> int:
    return next(int(entry.value) for entry in model.metadata_props if entry.key == WORKING_BYTES)
