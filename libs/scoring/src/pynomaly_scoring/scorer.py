"""The runtime: one ONNX graph with a fixed signature, rows in, scores out."""

from collections.abc import Iterable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pynomaly_scoring.artefact import Artefact
from pynomaly_scoring.errors import GraphInvalid
from pynomaly_scoring.forests import FEWEST_ROWS, TreePass
from pynomaly_scoring.graph import check_content
from pynomaly_scoring.rows import FloatMatrix, Rows, TextMatrix
from pynomaly_scoring.runtime import RUNTIME_ERRORS, ort

FloatVector = NDArray[np.float64]

_INPUT, _TEXT = "numeric", "text"
_OUTPUTS = {
    "raw_score": "tensor(double)",
    "prediction": "tensor(double)",
    "is_anomaly": "tensor(bool)",
    "confidence": "tensor(double)",
}
_ALL = list(_OUTPUTS)
_WORKING_BYTES = "pynomaly.working_bytes_per_row"  # in the model's metadata
_WITHOUT_CONFIDENCE = _ALL[:3]
_FLOAT64 = np.dtype(np.float64)
_BLOCK_BYTES = 32 * 2**20  # of a graph's intermediate results
# Measured on forests of 48 KiB to 3.3 MiB: resident memory per session is 0.4 MiB + 4.5 x the model.
_SESSION_BYTES, _BYTES_PER_MODEL_BYTE = 2**19, 5


class Scores(NamedTuple):
    """One value per row, each (n_rows,).

    raw_score: the detector's own, higher is more anomalous. prediction: in [0, 1], the calibrated position among
    the training scores. is_anomaly: raw_score > threshold. confidence: in [0, 1] (ExCeeD); None if not asked for.
    """

    raw_score: FloatVector
    prediction: FloatVector
    is_anomaly: NDArray[np.bool_]
    confidence: FloatVector | None

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """The scores of at least one part after the other; all of them with confidence, or none."""
        raw_score, prediction, is_anomaly, confidence = zip(*parts, strict=True)
        confidences = None if confidence[0] is None else np.concatenate(confidence)
        return cls(np.concatenate(raw_score), np.concatenate(prediction), np.concatenate(is_anomaly), confidences)


class Scorer:
    """A loaded model. Threads may share it: `score` keeps no state and releases the GIL while it computes."""

    def __init__(self, artefact: Artefact, *, threads: int = 1) -> None:
        """Load and try the graph. threads: >= 1, for one call; 1 runs in the caller's own thread.

        Raises GraphInvalid when the graph has forbidden content, another signature, or does not run.
        """
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        check_content(artefact.model)
        self.manifest = artefact.manifest
        self._n_text = artefact.manifest.n_text
        self._n_numeric = artefact.manifest.n_features - self._n_text
        self._session = _open_session(artefact.model, threads)
        self._trees = TreePass.of(artefact.model, lambda part: _open_session(part, threads))
        self.n_bytes = _bytes_of(artefact.model, self._trees)
        self._run_options = ort.RunOptions()  # made once: run() would make one for each call, 0.8 us
        _check_signature(self._session, self._n_numeric, self._n_text)
        self.working_bytes_per_row = _working_bytes_per_row(self._session, artefact.manifest.n_features)
        self._block_rows = max(1, _BLOCK_BYTES // self.working_bytes_per_row)
        for n_rows in (FEWEST_ROWS, 2, 1):
            self._try(n_rows)

    def score(self, numeric: FloatMatrix, text: TextMatrix | None = None, *, confidence: bool = True) -> Scores:
        """Score rows.

        numeric: float64, C-contiguous, (n_rows, n_numeric), n_rows >= 1, columns in the order of manifest.inputs;
        NaN is a missing value. text: str objects, (n_rows, n_text), "" is missing; only where the model has text
        columns. What the columns may hold is for `RowRules` to say, before.
        confidence: False leaves it out of the answer; the runtime computes it all the same
        (microsoft/onnxruntime#16013: inference builds run the whole graph whatever is fetched).
        Raises ValueError on another shape, type or layout; GraphInvalid when the runtime fails.
        """
        if (
            numeric.dtype != _FLOAT64
            or numeric.ndim != 2
            or numeric.shape[1] != self._n_numeric
            or not numeric.shape[0]
            or not numeric.flags.c_contiguous
        ):
            raise ValueError(self._refusal(numeric))
        feed = {_INPUT: numeric} if text is None and not self._n_text else self._with_text(numeric, text)
        way = self._session if self._trees is None or len(numeric) < FEWEST_ROWS else self._trees
        try:
            if confidence:
                return Scores(*way.run(_ALL, feed, self._run_options))
            raw_score, prediction, is_anomaly = way.run(_WITHOUT_CONFIDENCE, feed, self._run_options)
        except RUNTIME_ERRORS as error:
            raise GraphInvalid("graph-failed", f"the graph failed to run: {error}") from error
        return Scores(raw_score, prediction, is_anomaly, None)

    def score_rows(self, rows: Rows, *, confidence: bool = True) -> Scores:
        """As `score`, of rows that have both kinds of columns, and of however many: in blocks of bounded memory."""
        size, n_rows = self._block_rows, rows.n_rows
        if n_rows <= size:
            return self.score(rows.numeric, rows.text, confidence=confidence)
        parts = (rows.part(start, start + size) for start in range(0, n_rows, size))
        return Scores.joined(self.score(part.numeric, part.text, confidence=confidence) for part in parts)

    def zeros(self, n_rows: int) -> Rows:
        """Rows to try the model with: zeros and missing texts."""
        text = np.full((n_rows, self._n_text), "", dtype=np.object_) if self._n_text else None
        return Rows(np.zeros((n_rows, self._n_numeric)), text)

    def _with_text(self, numeric: FloatMatrix, text: TextMatrix | None) -> dict[str, Any]:
        expected = len(numeric), self._n_text
        if text is None or text.shape != expected or text.dtype != np.object_ or not self._n_text:
            found = None if text is None else f"{text.dtype} {text.shape}"
            raise ValueError(f"texts must be objects {expected}, not {found}")
        return {_INPUT: numeric, _TEXT: text}

    def _refusal(self, numeric: FloatMatrix) -> str:
        layout = "" if numeric.flags.c_contiguous else ", not C-contiguous"
        return (
            f"rows must be C-contiguous float64 (n_rows >= 1, {self._n_numeric}), "
            f"not {numeric.dtype} {numeric.shape}{layout}"
        )

    def _try(self, n_rows: int) -> None:
        """Warms the session up and proves that each row gets one value."""
        scores = self.score_rows(self.zeros(n_rows))
        if any(output is None or output.shape != (n_rows,) for output in scores):
            raise GraphInvalid("graph-signature", "an output does not have one value per row")


def _open_session(model: bytes, threads: int) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    # Measured: without arena and pattern one row is no slower, and a batch's memory goes back afterwards.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.load_model_format", "ONNX")  # never the unchecked ORT format
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except RUNTIME_ERRORS as error:
        raise GraphInvalid("graph-unloadable", f"the graph cannot be loaded: {error}") from error


def _bytes_of(model: bytes, trees: TreePass | None) -> int:
    """What a loaded model takes, estimated."""
    n_bytes = _SESSION_BYTES + _BYTES_PER_MODEL_BYTE * len(model)
    return n_bytes if trees is None else n_bytes + 2 * _SESSION_BYTES + trees.n_bytes


def _working_bytes_per_row(session: Any, n_features: int) -> int:
    """What the graph says of its largest intermediate result; whoever scores many rows bounds memory by blocks."""
    said = session.get_modelmeta().custom_metadata_map.get(_WORKING_BYTES, "")
    return max(8 * n_features, int(said) if said.isdecimal() else 0)


def _check_signature(session: Any, n_numeric: int, n_text: int) -> None:
    inputs = [(node.name, node.type, node.shape[1:]) for node in session.get_inputs()]
    expected = [(_INPUT, "tensor(double)", [n_numeric])]
    if n_text:
        expected.append((_TEXT, "tensor(string)", [n_text]))
    if inputs != expected or any(isinstance(node.shape[0], int) for node in session.get_inputs()):
        raise GraphInvalid("graph-signature", f"the graph's inputs are {inputs}, not {expected}")
    outputs = {node.name: node.type for node in session.get_outputs()}
    if outputs != _OUTPUTS:
        raise GraphInvalid("graph-signature", f"the graph's outputs are {outputs}, not {_OUTPUTS}")
