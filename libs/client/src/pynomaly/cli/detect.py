"""pynomaly detect FILE"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

import pynomaly
from pynomaly.cli.output import Json, brief, figure, names, print_json, say, show_rows
from pynomaly.cli.preprocessing import Categories, Dates, Missing, Scaling, preprocessing
from pynomaly.cli.suite import connect, local_suite

if TYPE_CHECKING:
    from pynomaly.cli.journey import Report, Wish

SHOWN_COLUMNS = 5
FIGURES = ("roc_auc", "average_precision", "precision_at_n", "f1", "precision", "recall", "false_alarm_rate")


def detect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file with a header, or a Parquet file.")],
    *,
    target: Annotated[str | None, typer.Option(help="The column that holds the labels, if there is one.")] = None,
    algorithm: Annotated[str, typer.Option(help="`pynomaly algorithms list` knows them.")] = "IForest",
    contamination: Annotated[
        float | None, typer.Option(help="Expected share of anomalies, over 0 to 0.5; 0.1 without.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B", help="Features; every column of numbers without.")
    ] = None,
    missing: Missing = None,
    categories: Categories = None,
    dates: Dates = None,
    scaling: Scaling = None,
    output: Annotated[
        Path | None, typer.Option(help="Where to write the file with its scores: .csv, .ndjson, .jsonl or .parquet.")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the most anomalous rows to print.")] = 10,
    keep: Annotated[bool, typer.Option("--keep", help="Leave data set, detector and model in the suite.")] = False,
    as_json: Json = False,
) -> None:
    """Find the anomalies in a file of yours, labelled or not.

    Trains on all rows without the label and scores all rows.

    Uses the suite that runs; where none does, starts one while it needs it.

    What it made in the suite is removed afterwards unless --keep.
    """
    from pynomaly.cli import journey  # noqa: PLC0415 - half a second that other commands need not wait

    said = preprocessing(missing, categories, dates, scaling)
    wish = journey.Wish(file, target, algorithm, contamination, names(columns), output, top, keep, said)
    with _some_suite(keep=keep, quiet=as_json) as url, pynomaly.Client(url) as client:
        report = journey.travel(client, wish, progress=False if as_json else None)
    if as_json:
        print_json(_for_programs(wish, report))
    else:
        _print(wish, report)


@contextmanager
def _some_suite(*, keep: bool, quiet: bool) -> Iterator[str]:
    """The URL of the suite that answers, or of one that runs for the block."""
    found = _answering()
    if found is not None:
        yield found
        return
    suite = local_suite()
    console = Console(stderr=True, quiet=quiet)
    console.print("No suite answers; starting the services for as long as this takes.")
    with (suite.suite_running if keep else suite.temporary_suite)(console=console) as started:
        yield started.url


def _answering() -> str | None:
    """The suite that other commands would use, if it answers; another program on its usual port counts as none."""
    absent: tuple[type[Exception], ...] = (pynomaly.errors.ConnectionFailed,)
    if not os.environ.get("PYNOMALY_URL"):
        absent = (*absent, pynomaly.errors.UnexpectedAnswer, pynomaly.errors.ApiError)
    with connect(timeout_s=10) as client:
        try:
            client.health()
        except absent:
            return None
        return client.url


def _for_programs(wish: "Wish", report: "Report") -> dict[str, Any]:
    return {
        "file": str(wish.file),
        "n_rows": report.scored.n_rows,
        "n_anomalies": report.scored.n_anomalies,
        "algorithm": wish.algorithm,
        "contamination": report.contamination,
        "threshold": report.trained.threshold,
        "feature_columns": report.trained.feature_columns,
        "left_out": report.left_out(),
        "metrics": None if report.metrics is None else report.metrics.model_dump(mode="json"),
        "looks_like_a_label": report.hint,
        "score_columns": report.scored.score_columns,
        "top": [{"row": each.row, **asdict(each.score), "values": each.values} for each in report.top],
        "output": None if wish.output is None else str(wish.output),
        "kept": report.names,
    }


def _print(wish: "Wish", report: "Report") -> None:
    _print_columns(wish, report)
    shown = [column.name for column in report.dataset.columns][:SHOWN_COLUMNS]
    show_rows(
        ("row", "raw_score", "prediction", *shown),
        (
            [top.row, top.score.raw_score, top.score.prediction, *(brief(top.values[name]) for name in shown)]
            for top in report.top
        ),
        title=f"The {len(report.top)} most anomalous of {report.scored.n_rows} rows (row 1 follows the header)",
    )
    say(
        f"{report.scored.n_anomalies} rows are anomalies: their raw_score is over {report.trained.threshold:.6g}, "
        f"the threshold of {wish.algorithm} for a contamination of {report.contamination:g}."
    )
    _print_metrics(report)
    _print_ends(wish, report)


def _print_columns(wish: "Wish", report: "Report") -> None:
    say(f"Features: {escape(', '.join(report.trained.feature_columns))}")
    for name, why in report.left_out().items():
        say(f"Left out: {escape(name)}, {why}")
    if report.hint is not None:
        used = " and was used as a feature" if report.hint in report.trained.feature_columns else ""
        say(
            f"[yellow]Column {escape(repr(report.hint))} looks like a label{used}. If it is one: "
            f"pynomaly detect {escape(str(wish.file))} --target {escape(report.hint)}[/]"
        )


def _print_metrics(report: "Report") -> None:
    if report.metrics is None:
        return
    found = report.metrics
    told = [(name, getattr(found, name)) for name in FIGURES]
    rows = [[name, figure(share, found.intervals.get(name))] for name, share in told if share is not None]
    show_rows(
        ("figure", "value [95 % interval]"), rows, title=f"Against the labels, {found.n_anomalies} of them anomalies"
    )
    say("These are on the rows it was trained on; hold some out (pynomaly datasets split) for an honest figure.")


def _print_ends(wish: "Wish", report: "Report") -> None:
    if wish.output is not None:
        for name, own in report.scored.score_columns.items():
            if name != own:
                say(f"The file has a column {escape(name)} already; ours is {escape(own)}.")
        say(f"Wrote {escape(str(wish.output))}: your columns as they were, and {', '.join(report.score_names())}.")
    if wish.keep:
        say(f"Kept in the suite: {', '.join(f'{what} {name}' for what, name in report.names.items())}")
    else:
        say("Nothing was kept in the suite; --keep leaves the data set, the detector and its model there.")
