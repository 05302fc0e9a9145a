"""Rows to a signed artefact."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pynomaly_contracts.datasets import Column
from pynomaly_scoring import Rows

from detector_service.child.confinement import cores
from detector_service.child.rows import block_of, read_batches, read_blocks, read_labels
from detector_service.child.usage import usage
from detector_service.child.useless import column_warnings
from detector_service.domain import Unfit
from detector_service.evaluation.supervision import Supervision, supervise
from detector_service.evaluation.thresholds import Target
from detector_service.features import source_columns
from detector_service.specs import TrainSpec
from detector_service.training.fit import TrainedDetector, fit_detector
from detector_service.training.memory import is_streamed
from detector_service.training.request import FitRequest
from detector_service.training.signing import sign_artefact
from detector_service.training.streamed import FloatMatrix, IntVector, RowStream, fit_streamed
from detector_service.worker.sandbox import ARTEFACT, ROWS, Report

_STAGES = {
    "survey": "drawing rows",
    "score": "scoring rows",
    "fit": "fitting",
    "compile": "compiling",
    "verify": "verifying",
    "done": "signing",
}


def work(folder: Path, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """Leaves the archive in the folder; tells how long the fit took and what is not in the manifest. Raises Unfit."""
    spec = TrainSpec.model_validate(request)
    work_began_s = time.perf_counter()
    wanted = fit_request(spec, request.get("job_id"))
    report("reading rows", 0.0)
    supervision, unlabelled = _supervised(folder / ROWS, spec)
    began_s = time.perf_counter()
    trained = _trained(folder, spec, wanted, supervision, report)
    fit_duration_s = time.perf_counter() - began_s
    (folder / ARTEFACT).write_bytes(sign_artefact(trained.model, trained.manifest, Path(request["signing_key"])))
    return {
        "fit_duration_s": round(fit_duration_s, 6),
        "n_anomalies": trained.n_anomalies,
        "metrics_absent": unlabelled,
        **usage(trained.manifest.n_train, work_began_s),
        "warnings": column_warnings(folder / ROWS, spec.feature_columns),
        "paired": None if trained.paired is None else trained.paired.document(),
    }


def columns_of(spec: TrainSpec) -> list[Column]:
    """The features with their types; a job of former times knew numbers alone."""
    return spec.columns or [Column(name=name, type="number") for name in spec.feature_columns]


def read_rows(path: Path, columns: list[Column]) -> Rows:
    """All rows of a data set."""
    blocks = [block.rows for block in read_blocks(path, columns)]
    numeric = np.concatenate([block.numeric for block in blocks])
    texts = [block.text for block in blocks if block.text is not None]
    return Rows(numeric, np.concatenate(texts) if texts else None)


def _supervised(path: Path, spec: TrainSpec) -> tuple[Supervision, str | None]:
    """What the labels are for, and why they are for nothing: no training fails for labels that it can do without."""
    choice, column = spec.threshold, spec.target_column
    target = None if choice.method == "contamination" else Target(choice.method, choice.target or 0.0)
    if column is None:
        return Supervision(target=target), None
    try:
        labels = np.concatenate([read_labels(block, column) for block in read_blocks(path, [])])
        return supervise(labels, column, target, spec.seed), None
    except Unfit as error:
        if target is not None:
            raise
        return Supervision(), str(error)


def fit_request(spec: TrainSpec, job_id: str | None = None) -> FitRequest:
    """The same, as the fit has it. job_id: of the job that trains."""
    return FitRequest(
        algorithm=spec.algorithm,
        parameters=spec.parameters,
        contamination=spec.contamination,
        seed=spec.seed,
        feature_names=tuple(spec.feature_columns),
        dataset_id=str(spec.dataset_id),
        dataset_version=spec.dataset_version,
        columns=source_columns(columns_of(spec), spec.preprocessing),
        preprocessing=spec.preprocessing.model_dump(exclude_none=True),
        lineage=_lineage(spec, job_id),
    )


def _lineage(spec: TrainSpec, job_id: str | None) -> dict[str, str]:
    """What the manifest tells of where the model comes from, beside what it was fitted with."""
    told = {
        "detector_id": spec.detector_id,
        "detector_name": spec.detector_name,
        "dataset_name": spec.dataset_name,
        "dataset_sha256": spec.dataset_sha256,
        "job_id": job_id,
        "retrained_from": None if spec.before is None else spec.before.model_version,
    }
    return {name: str(value) for name, value in told.items() if value is not None}


def _trained(
    folder: Path, spec: TrainSpec, wanted: FitRequest, supervision: Supervision, report: Report
) -> TrainedDetector:
    """From a stream of the rows where they are many and few of them will do, else from all of them in memory."""

    def on_stage(stage: str, done: float) -> None:
        report(_STAGES.get(stage, stage), 0.1 + 0.85 * done)

    if spec.n_rows is not None and is_streamed(spec, spec.n_rows):
        return fit_streamed(wanted, _row_stream(folder, spec, spec.n_rows), on_stage, supervision)
    return fit_detector(wanted, read_rows(folder / ROWS, columns_of(spec)), on_stage, supervision)


def _row_stream(folder: Path, spec: TrainSpec, n_rows: int) -> RowStream:
    columns = columns_of(spec)

    def numbers(item: tuple[int, pa.RecordBatch], places: IntVector | None) -> FloatMatrix:
        first_row, batch = item
        return block_of(first_row, batch if places is None else batch.take(pa.array(places)), columns).rows.numeric

    return RowStream(
        lambda: read_batches(folder / ROWS), lambda item: item[1].num_rows, numbers, n_rows, folder, cores()
    )
