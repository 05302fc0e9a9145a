"""Labelled rows to figures."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from detector_service.child.rows import read_checked, read_labels
from detector_service.child.scoring import load_scorer, score_block
from detector_service.child.usage import usage
from detector_service.evaluation.figures import check_labels, compare, confusion
from detector_service.evaluation.metrics import BoolVector, FloatVector, judge, rank
from detector_service.evaluation.paired import paired_figures
from detector_service.specs import EvaluateSpec
from detector_service.worker.sandbox import ROWS, Report


def work(folder: Path, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """The fields of KeptEvaluation but for the model's. Raises Unfit, ArtefactError."""
    began_s, spec = time.perf_counter(), EvaluateSpec.model_validate(request)
    scorer = load_scorer(folder, request)
    labels, scores, verdicts = [], [], []
    report("scoring", 0.0)
    for block in read_checked(folder / ROWS, scorer.manifest.inputs):
        labels.append(read_labels(block, spec.target_column))
        found = score_block(scorer, block)
        scores.append(found.raw_score)
        verdicts.append(found.is_anomaly)
    report("comparing", 0.9)
    figures = _figures(spec.target_column, np.concatenate(labels), np.concatenate(scores), np.concatenate(verdicts))
    return {**figures, "threshold": scorer.manifest.threshold, **usage(figures["n_rows"], began_s)}


def _figures(target: str, labels: BoolVector, scores: FloatVector, called: BoolVector) -> dict[str, Any]:
    check_labels(labels, target, "evaluation")
    verdicts = judge(labels, called)
    figures = compare(rank(labels, scores), verdicts, seed=0)
    paired = paired_figures(labels, scores, called).document()
    return {**figures, "confusion": confusion(verdicts).model_dump(), "n_rows": len(labels), "paired": paired}
