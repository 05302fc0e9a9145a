"""A graph run once under a memory bound, before it is let in: a signer's mistake must not take the process along."""

from functools import cache
from threading import Lock, Timer
from typing import Any

import numpy as np

from pynomaly_scoring.artefact import Artefact
from pynomaly_scoring.errors import GraphInvalid
from pynomaly_scoring.graph import check_content
from pynomaly_scoring.runtime import RUNTIME_ERRORS, ort

MAX_BYTES = 256 * 2**20
"""Of what a graph computes for one row; trained models need a few MB. What was needed is kept for the next."""
MAX_S = 10.0
"""Of computing it; trained models need milliseconds. The runtime looks at the time between two nodes."""

_once = Lock()


def rehearse(artefact: Artefact, *, max_s: float = MAX_S) -> None:
    """Run every node as it is written for one row, in at most MAX_BYTES beside the constants of the file.

    An artefact is rehearsed where it comes in, not at each load: it takes as long as a load. Threads may call it.
    Raises GraphInvalid.
    """
    check_content(artefact.model)
    with _once:
        _bound_memory()
    try:
        session = ort.InferenceSession(artefact.model, _session_options(), providers=["CPUExecutionProvider"])
    except RUNTIME_ERRORS as error:
        raise GraphInvalid("graph-unloadable", f"the graph cannot be loaded: {error}") from error
    _run(session, artefact, max_s)


def _run(session: Any, artefact: Artefact, max_s: float) -> None:
    options = ort.RunOptions()
    n_text = artefact.manifest.n_text
    feed: dict[str, Any] = {"numeric": np.zeros((1, artefact.manifest.n_features - n_text))}
    if n_text:
        feed["text"] = np.full((1, n_text), "", dtype=np.object_)
    timer = Timer(max_s, setattr, (options, "terminate", True))
    timer.start()
    try:
        session.run(None, feed, options)
    except RUNTIME_ERRORS as error:
        raise GraphInvalid("graph-failed", f"the graph failed to run: {error}") from error
    finally:
        timer.cancel()


@cache
def _bound_memory() -> None:
    """The one allocator of this process that rehearsals share, and nothing else does."""
    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    bound = {"max_mem": MAX_BYTES, "arena_extend_strategy": 1, "initial_chunk_size_bytes": 2**16}  # 1: as requested
    ort.create_and_register_allocator(place, ort.OrtArenaCfg(bound))


def _session_options() -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL  # folding is outside the bound
    options.enable_mem_pattern = False
    for name in ("session.use_env_allocators", "session.use_device_allocator_for_initializers"):
        options.add_session_config_entry(name, "1")
    options.add_session_config_entry("session.load_model_format", "ONNX")
    return options
