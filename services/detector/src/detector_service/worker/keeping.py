"""Evaluations on their way from a job to where they are kept: in the transaction that ends the job."""

from typing import Any

from pydantic import BaseModel, Field
from pynomaly_contracts.figures import Figures
from pynomaly_contracts.jobs import EvaluateResult, TrainResult

from detector_service.repository import Lease, Transaction

Paired = dict[str, Any]


class KeptEvaluation(EvaluateResult):
    """The result of an evaluation, and its figures of bootstrap samples, which are kept but not told."""

    paired: Paired | None = Field(default=None, exclude=True)


class KeptTraining(TrainResult):
    """The result of a training, and its figures of bootstrap samples, where its rows are labelled."""

    paired: Paired | None = Field(default=None, exclude=True)


async def keep_evaluation(tx: Transaction, lease: Lease, result: BaseModel) -> None:
    """Keep what the job says of labels, if it does."""
    if not isinstance(result, TrainResult | EvaluateResult) or lease.own["detector_id"] is None:
        return
    figures = result.metrics if isinstance(result, TrainResult) else Figures.model_validate(result.model_dump())
    if figures is None:
        return
    evaluated = isinstance(result, EvaluateResult)
    values = {
        "detector_id": lease.own["detector_id"],
        "model_id": result.model_id,
        "model_version": result.model_version,
        **{name: lease.spec[name] for name in ("dataset_id", "dataset_version", "target_column")},
        "source": "evaluation" if evaluated else "training",
        "metrics": figures.model_dump(mode="json"),
        "paired": getattr(result, "paired", None),
        "threshold": result.threshold,
        "confusion": result.confusion.model_dump() if isinstance(result, EvaluateResult) else None,
        "n_rows": result.n_rows,
        "n_anomalies": figures.n_anomalies,
        "job_id": lease.job_id,
    }
    await tx.evaluations.add(lease.tenant_id, values)
