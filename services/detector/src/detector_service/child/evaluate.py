"""Labelled rows to figures."""

from pathlib import Path
from typing import Any

import numpy as np

from detector_service import domain
from detector_service.child.rows import read_blocks, read_labels
from detector_service.child.scoring import load_scorer
from detector_service.domain import Refusal, Unfit
from detector_service.sandbox import ROWS, Report
from detector_service.specs import EvaluateSpec


def work(folder: Path, request: dict[str, Any], report: Report) -> dict[str, Any]:
    """The fields of EvaluateResult but for the model's. Raises Unfit, ArtefactError."""
    spec = EvaluateSpec.model_validate(request)
    scorer = load_scorer(folder, request)
    labels, scores, verdicts = [], [], []
    report("scoring", 0.0)
    for block in read_blocks(folder / ROWS, scorer.manifest.feature_names):
        labels.append(read_labels(block, spec.target_column))
        found = scorer.score(block.numeric, confidence=False)
        scores.append(found.raw_score)
        verdicts.append(found.is_anomaly)
    report("comparing", 0.9)
    return _figures(spec.target_column, np.concatenate(labels), np.concatenate(scores), np.concatenate(verdicts)) | {
        "threshold": scorer.manifest.threshold
    }


def _figures(
    target: str, labels: domain.BoolVector, scores: domain.FloatVector, verdicts: domain.BoolVector
) -> dict[str, Any]:
    n_anomalies = int(labels.sum())
    if n_anomalies in (0, len(labels)):
        only = "normal rows" if n_anomalies == 0 else "anomalies"
        message = f"column {target!r} labels {only} only; evaluation compares anomalies with normal rows"
        raise Unfit(Refusal(target, None, message))
    matrix = domain.confusion(labels, verdicts)
    return {
        "roc_auc": domain.roc_auc(labels, scores),
        "average_precision": domain.average_precision(labels, scores),
        "precision_at_n": domain.precision_at_n(labels, scores),
        "f1": domain.f1(matrix),
        "confusion": matrix.model_dump(),
        "n_rows": len(labels),
        "n_anomalies": n_anomalies,
    }
