"""Detectors side by side, by evaluations on the same rows. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pynomaly_contracts.datasets import Dataset
from pynomaly_contracts.detectors import Detector
from pynomaly_contracts.evaluations import (
    NO_CLEAR_WINNER,
    ComparedDetector,
    Comparison,
    Evaluation,
    Metric,
    NotCompared,
)
from pynomaly_contracts.figures import Interval

from detector_service.algorithms import BATCH
from detector_service.domain import N_NAMED
from detector_service.evaluation.paired import difference_interval, read_samples
from detector_service.repository.evaluations import Sampled

LOWER_IS_BETTER: frozenset[Metric] = frozenset({"false_alarm_rate"})


def compare(
    dataset: Dataset, detectors: Sequence[Detector], sampled: Mapping[UUID, Sampled], metric: Metric
) -> Comparison:
    """sampled: by detector, its evaluation on the data set's rows, with the metric's samples."""
    found = sorted(
        (each for each in detectors if each.id in sampled),
        key=lambda each: (_loss(sampled[each.id].evaluation, metric), each.name),
    )
    items = [_compared(each, sampled[each.id], found, sampled, metric) for each in found]
    winner = items[0].detector_id if len(items) > 1 and not _doubted(items) else None
    return Comparison(
        dataset_id=dataset.id,
        dataset_name=dataset.name,
        dataset_version=dataset.version,
        target_column=dataset.target_column,
        metric=metric,
        is_higher_better=metric not in LOWER_IS_BETTER,
        items=items,
        missing=[_not_compared(each, dataset) for each in detectors if each.id not in sampled],
        winner=winner,
        verdict=_verdict(items, metric),
    )


def _compared(
    detector: Detector, own: Sampled, ranked: Sequence[Detector], sampled: Mapping[UUID, Sampled], metric: Metric
) -> ComparedDetector:
    """Beside the first of those that are ranked."""
    losses = [_loss(sampled[each.id].evaluation, metric) for each in ranked]
    first = sampled[ranked[0].id]
    told: dict[str, Any] = {}
    if detector is not ranked[0]:
        told["difference"] = _figure(own.evaluation, metric) - _figure(first.evaluation, metric)
        told["difference_interval"] = _interval(own, first, told["difference"], metric)
    return ComparedDetector(
        place=1 + sum(loss < _loss(own.evaluation, metric) for loss in losses),
        detector_id=detector.id,
        name=detector.name,
        algorithm=detector.algorithm,
        evaluation=own.evaluation,
        **told,
    )


def _interval(own: Sampled, first: Sampled, difference: float, metric: Metric) -> Interval | None:
    """None where the samples are not the same ones."""
    if own.digest is None or own.digest != first.digest or own.samples is None or first.samples is None:
        return None
    n_rows = min(_n_rows(each.evaluation, metric) for each in (own, first))
    return difference_interval(read_samples(own.samples), read_samples(first.samples), difference, n_rows)


def _n_rows(evaluation: Evaluation, metric: Metric) -> int:
    """Of how many rows the figure is a share, or of the rarer kind where it compares the two."""
    n_anomalies, n_normals = evaluation.n_anomalies, evaluation.n_rows - evaluation.n_anomalies
    if metric == "recall":
        return n_anomalies
    if metric == "false_alarm_rate":
        return n_normals
    figures = evaluation.metrics
    n_called = round((figures.recall or 0.0) * n_anomalies + (figures.false_alarm_rate or 0.0) * n_normals)
    return n_called if metric == "precision" else min(n_anomalies, n_normals)


def _figure(evaluation: Evaluation, metric: Metric) -> float:
    return float(getattr(evaluation.metrics, metric))


def _loss(evaluation: Evaluation, metric: Metric) -> float:
    figure = _figure(evaluation, metric)
    return figure if metric in LOWER_IS_BETTER else -figure


def _doubted(items: Sequence[ComparedDetector]) -> list[ComparedDetector]:
    """Those that the first is not surely better than: the interval of the difference holds 0, or there is none.

    The first is called the winner only where no other is doubted, so that the chance of a wrong one does not grow with
    their number.
    """
    return [item for item in items[1:] if _holds_0(item.difference_interval)]


def _holds_0(interval: Interval | None) -> bool:
    return interval is None or interval[0] <= 0 <= interval[1]


def _verdict(items: Sequence[ComparedDetector], metric: Metric) -> str:
    if not items:
        return "nothing to compare: none has an evaluation on these rows"
    first = items[0].name
    if len(items) == 1:
        return f"nothing to compare with: only {first} has an evaluation on these rows"
    doubted = _doubted(items)
    if not doubted:
        return f"{first} is the best in {metric}: the 95 % intervals of its differences to all others exclude 0"
    unpaired = [item.name for item in doubted if item.difference_interval is None]
    paired = [item.name for item in doubted if item.difference_interval is not None]
    reasons = [f"the 95 % interval of its difference holds 0 for {_listed(paired)}"] if paired else []
    reasons += [f"of {_listed(unpaired)} there are no samples of the same rows: evaluate again"] if unpaired else []
    return f"{NO_CLEAR_WINNER}: {first} is first in {metric}, but {'; '.join(reasons)}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:N_NAMED])


def _not_compared(detector: Detector, dataset: Dataset) -> NotCompared:
    body = {"dataset_id": dataset.name, "dataset_version": dataset.version}
    path, reason = f"/api/v1/detectors/{detector.name}/evaluate", f"version {detector.latest_version} is not evaluated"
    if detector.algorithm in BATCH:
        reason = f"{detector.algorithm} scores a batch against itself: there is no model to evaluate"
        return NotCompared(detector_id=detector.id, name=detector.name, reason=reason)
    if dataset.target_column is None:
        reason = f"data set {dataset.name!r} has no target column: nothing to evaluate against"
        return NotCompared(detector_id=detector.id, name=detector.name, reason=reason)
    if detector.model_id is None:
        path, reason = f"/api/v1/detectors/{detector.name}/train", "it is not trained"
    else:
        reason += f" on {dataset.name} version {dataset.version}"
    return NotCompared(detector_id=detector.id, name=detector.name, reason=reason, method="POST", path=path, body=body)
