"""Evaluations and comparisons, as people read them."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import typer

from pynomaly.cli.output import figure, print_json, say, show_rows

if TYPE_CHECKING:
    from pynomaly_contracts.evaluations import ComparedDetector, Comparison, Evaluation, Metric, NotCompared
    from pynomaly_contracts.figures import Figures, Interval

METRICS: tuple["Metric", ...] = (
    "roc_auc",
    "average_precision",
    "precision_at_n",
    "f1",
    "precision",
    "recall",
    "false_alarm_rate",
)


def metric_of(name: str) -> "Metric":
    """Also with hyphens. Raises typer.BadParameter."""
    found = next((metric for metric in METRICS if metric == name.replace("-", "_")), None)
    if found is None:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(METRICS)}", param_hint="--metric")
    return found


def show_comparison(comparison: "Comparison") -> None:
    """The verdict, a table, the first in the metric at the top, and what is missing."""
    first = comparison.metric
    metrics = [first, *(metric for metric in METRICS if metric != first)]
    columns = ["place", "detector", "algorithm", first, "difference", *metrics[1:], "version", "by"]
    title = f"{comparison.dataset_name} version {comparison.dataset_version}: {comparison.verdict}"
    if comparison.items:
        show_rows(columns, [_row(item, metrics) for item in comparison.items], title)
    else:
        say(title)
    for each in comparison.missing:
        say(_missing(each, comparison))


def show_evaluations(evaluations: "Iterable[Evaluation]", limit: int, as_json: bool) -> None:
    """At most `limit`, one per line."""
    found = list(islice(evaluations, limit))
    if as_json:
        print_json({"items": [each.model_dump(mode="json") for each in found]})
        return
    columns = ("version", "dataset_id", "dataset_version", "by", *METRICS[:4], "made_at", "id")
    show_rows(
        columns,
        [[*_of_what(each), *_figures(each.metrics, METRICS[:4]), _moment(each), str(each.id)] for each in found],
    )


def _of_what(evaluation: "Evaluation") -> list[str]:
    return [evaluation.model_version, str(evaluation.dataset_id), evaluation.dataset_version, evaluation.source]


def _moment(evaluation: "Evaluation") -> str:
    return evaluation.made_at.isoformat()[:19]


def _row(item: "ComparedDetector", metrics: "Sequence[Metric]") -> list[object]:
    first, *others = _figures(item.evaluation.metrics, metrics)
    difference = _difference(item.difference, item.difference_interval)
    evaluation = item.evaluation
    told: list[object] = [item.place, item.name, item.algorithm, first, difference, *others]
    return [*told, evaluation.model_version, evaluation.source]


def _figures(figures: "Figures", metrics: "Iterable[Metric]") -> list[str | None]:
    values = ((getattr(figures, metric), figures.intervals.get(metric)) for metric in metrics)
    return [None if value is None else figure(value, interval) for value, interval in values]


def _difference(difference: float | None, interval: "Interval | None") -> str | None:
    if difference is None:
        return None
    return f"{difference:+.3f} " + ("not paired" if interval is None else f"[{interval[0]:+.3f}, {interval[1]:+.3f}]")


def _missing(each: "NotCompared", comparison: "Comparison") -> str:
    """With the command that helps, where one does."""
    if each.path is None:
        return f"{each.name}: {each.reason}"
    command = "train" if each.path.endswith("/train") else "evaluate"
    rows = f"{comparison.dataset_name} --dataset-version {comparison.dataset_version}"
    return f"{each.name}: {each.reason}; pynomaly detectors {command} {each.name} {rows}"
