"""Rows to a signed artefact."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from detector_service.child.rows import read_blocks
from detector_service.sandbox import ARTEFACT, ROWS, Report
from detector_service.signing import sign_artefact
from detector_service.specs import TrainSpec
from detector_service.training import FitRequest, TrainedDetector, fit_detector

_STAGES = {"fit": "fitting", "compile": "compiling", "verify": "verifying", "done": "signing"}


def work(folder: Path, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """Leaves the archive in the folder; tells how long the fit took. Raises Unfit."""
    spec = TrainSpec.model_validate(request)
    report("reading rows", 0.0)
    blocks = [block.numeric for block in read_blocks(folder / ROWS, spec.feature_columns)]
    features = np.concatenate(blocks) if blocks else np.empty((0, len(spec.feature_columns)))
    del blocks
    began_s = time.perf_counter()
    trained = _fit(spec, features, report)
    fit_duration_s = time.perf_counter() - began_s
    (folder / ARTEFACT).write_bytes(sign_artefact(trained.model, trained.manifest, Path(request["signing_key"])))
    return {"fit_duration_s": round(fit_duration_s, 6)}


def _fit(spec: TrainSpec, features: "np.ndarray[Any, np.dtype[np.float64]]", report: Report) -> TrainedDetector:
    wanted = FitRequest(
        algorithm=spec.algorithm,
        parameters=spec.parameters,
        contamination=spec.contamination,
        seed=spec.seed,
        feature_names=tuple(spec.feature_columns),
        dataset_id=str(spec.dataset_id),
        dataset_version=spec.dataset_version,
    )
    return fit_detector(wanted, features, lambda stage, done: report(_STAGES.get(stage, stage), 0.1 + 0.85 * done))
