"""What parts of a prediction cost by themselves: the runtime's kernels, confidence, verifying an artefact."""

import os
from functools import partial

import onnx
from artefacts import interleaved_ms, median_ms, opened, trusted
from detector_service.training.signing import sign_artefact
from dialects import MODEL, Matrix
from figures import Bar, Outcome, milliseconds
from onnx.utils import Extractor
from pynomaly_scoring import Artefact, open_artefact
from pynomaly_scoring.runtime import ort
from stage import Stage

ARTEFACT_BYTES = 5 * 2**20
WITHOUT_CONFIDENCE = ["raw_score", "prediction", "is_anomaly"]
MAX_CONFIDENCE, MAX_VERIFY_MS = 1.3, 5.0


def measure(stage: Stage) -> Outcome:
    artefact = opened(stage, MODEL)
    n_rounds = 3 if stage.quick else 7
    one, many = (_kernels(artefact, stage.sample(n), n_rounds) for n in (1, 1_000))
    verify_ms = _verify_ms(stage, artefact)
    bars = [
        _confidence("1 row", one),
        _confidence("1,000 rows", many),
        Bar("verifying a signed artefact of 5 MiB", milliseconds(verify_ms), "<= 5 ms", verify_ms <= MAX_VERIFY_MS),
        Bar("ONNX Runtime alone, 1 row", milliseconds(one["with"])),
        Bar("ONNX Runtime alone, 1,000 rows", milliseconds(many["with"])),
    ]
    return Outcome(bars, numbers={"one": one, "many": many, "verify_ms": verify_ms})


def _kernels(artefact: Artefact, rows: Matrix, rounds: int) -> dict[str, float]:
    """Milliseconds of the graph with and without what confidence needs, which is cut out: a graph is run whole."""
    graph = onnx.load_from_string(artefact.model)
    plain = Extractor(graph).extract_model(["numeric"], WITHOUT_CONFIDENCE).SerializeToString()
    sessions = {"with": _session(artefact.model), "without": _session(plain)}
    n_calls = 2_000 // len(rows) + 20
    return interleaved_ms(
        {name: partial(session.run, None, {"numeric": rows}) for name, session in sessions.items()}, rounds, n_calls
    )


def _session(model: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _confidence(what: str, found: dict[str, float]) -> Bar:
    ratio = found["with"] / found["without"]
    figure = f"{ratio:.2f} ({milliseconds(found['with'])} / {milliseconds(found['without'])})"
    return Bar(f"scoring with confidence / without, {what}", figure, f"<= {MAX_CONFIDENCE}", ratio <= MAX_CONFIDENCE)


def _verify_ms(stage: Stage, artefact: Artefact) -> float:
    """Of an artefact as large as said: a signature covers bytes, whatever they mean."""
    archive = sign_artefact(os.urandom(ARTEFACT_BYTES), artefact.manifest, stage.suite.home.signing_key)
    keys = trusted(stage)
    return median_ms(lambda: open_artefact(archive, trusted=keys), 20)
