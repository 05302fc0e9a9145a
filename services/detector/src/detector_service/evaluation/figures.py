"""A labelled sample as the contracts tell of it: Figures and ConfusionMatrix."""

from typing import Any

from pynomaly_contracts.jobs import ConfusionMatrix

from detector_service.domain import Refusal, Unfit
from detector_service.evaluation.intervals import intervals
from detector_service.evaluation.metrics import OF_RANKINGS, OF_VERDICTS, BoolVector, Ranking, Verdicts


def check_labels(labels: BoolVector, target: str, wanted: str) -> None:
    """Raises Unfit where the rows' labels, (n_rows,), are all of one kind. wanted: what compares the two."""
    n_anomalies = int(labels.sum())
    if n_anomalies in (0, len(labels)):
        only = "normal rows" if n_anomalies == 0 else "anomalies"
        message = f"column {target!r} labels {only} only; {wanted} compares anomalies with normal rows"
        raise Unfit(Refusal(target, None, message))


def compare(ranking: Ranking, verdicts: Verdicts, seed: int) -> dict[str, Any]:
    """Every figure, and its interval; the same seed gives the same ones."""
    return {
        **{name: float(figure(ranking)) for name, figure in OF_RANKINGS.items()},
        **{name: float(figure(verdicts)) for name, figure in OF_VERDICTS.items()},
        "n_anomalies": verdicts.n_anomalies,
        "intervals": intervals(ranking, verdicts, seed),
    }


def confusion(verdicts: Verdicts) -> ConfusionMatrix:
    """Rows by label and verdict; positive = anomaly."""
    hits, false_alarms = int(verdicts.hits), int(verdicts.false_alarms)
    return ConfusionMatrix(
        true_positives=hits,
        false_positives=false_alarms,
        true_negatives=int(verdicts.n_normals) - false_alarms,
        false_negatives=int(verdicts.n_anomalies) - hits,
    )
