"""pynomaly detectors"""

from typing import Annotated

import typer

from pynomaly.cli.comparison import METRICS, metric_of, show_comparison, show_evaluations
from pynomaly.cli.detector_setup import Setup, takes_setup
from pynomaly.cli.output import Json, Limit, print_json, say, show, show_list, waited
from pynomaly.cli.suite import connect

app = typer.Typer(help="Create, train and evaluate detectors.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(metavar="DETECTOR", help="Id or name.")]
DatasetRef = Annotated[str, typer.Argument(metavar="DATASET", help="Id or name.")]
Version = Annotated[str | None, typer.Option(metavar="N", help="Of the data set; the newest without.")]
Wait = Annotated[bool, typer.Option(help="Wait for the job to end.")]
TimeLimit = Annotated[float | None, typer.Option(metavar="S", help="Of the job, s; the suite's own without.")]


@app.command()
@takes_setup
def create(
    name: Annotated[str, typer.Argument()],
    *,
    algorithm: Annotated[str, typer.Option(help="`pynomaly algorithms list` knows them.")] = "IForest",
    setup: Setup,
    as_json: Json = False,
) -> None:
    """A detector to be trained."""
    with connect() as client:
        detector = client.detectors.create(name, algorithm, **setup.fields())
    show(detector, as_json)


@app.command("list")
def list_(limit: Limit = 50, as_json: Json = False) -> None:
    """Detectors, newest first."""
    with connect() as client:
        show_list(
            client.detectors.list(),
            ("name", "algorithm", "state", "latest_version", "created_at"),
            limit,
            as_json,
        )


@app.command("show")
def show_(detector: Ref, as_json: Json = False) -> None:
    """One detector."""
    with connect() as client:
        show(client.detectors.get(detector), as_json)


@app.command()
@takes_setup
def update(
    detector: Ref,
    *,
    setup: Setup,
    as_json: Json = False,
) -> None:
    """Change what the next training uses."""
    with connect() as client:
        changed = client.detectors.update(detector, **setup.fields())
    show(changed, as_json)


@app.command()
def delete(
    detector: Ref,
    evaluation: Annotated[str | None, typer.Option(metavar="ID", help="Only this one of its evaluations.")] = None,
    as_json: Json = False,
) -> None:
    """Remove a detector with its evaluations, or one of these; its model stays."""
    with connect() as client:
        if evaluation is None:
            client.detectors.delete(detector)
        else:
            client.detectors.delete_evaluation(detector, evaluation)
    deleted = detector if evaluation is None else f"{detector} {evaluation}"
    print_json({"deleted": deleted}) if as_json else say(f"deleted {deleted}")


@app.command()
@takes_setup
def clone(
    detector: Ref,
    name: Annotated[str, typer.Argument(help="Of the new detector.")],
    *,
    algorithm: Annotated[str | None, typer.Option(help="Another one takes its own parameters.")] = None,
    setup: Setup,
    as_json: Json = False,
) -> None:
    """A new detector, set up as another one but for what is said."""
    changes = setup.fields()
    if algorithm is not None and changes["parameters"] is None:
        changes["parameters"] = {}  # its own defaults: those of the other algorithm do not fit
    with connect() as client:
        made = client.detectors.clone(detector, name, algorithm=algorithm, **changes)
    show(made, as_json)


@app.command()
def train(
    detector: Ref,
    dataset: DatasetRef,
    *,
    dataset_version: Version = None,
    time_limit: TimeLimit = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Train on a data set: the next version of the detector's model."""
    with connect() as client:
        job = client.detectors.train(detector, dataset, dataset_version=dataset_version, time_limit_s=time_limit)
        show(waited(job, as_json) if wait else job.state(), as_json)


@app.command()
def retrain(
    detector: Ref,
    dataset: Annotated[
        str | None, typer.Argument(metavar="DATASET", help="That of the latest version without.")
    ] = None,
    *,
    dataset_version: Version = None,
    time_limit: TimeLimit = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Train the next version as the one before, and tell how they differ."""
    with connect() as client:
        job = client.detectors.retrain(detector, dataset, dataset_version=dataset_version, time_limit_s=time_limit)
        show(waited(job, as_json) if wait else job.state(), as_json)


@app.command()
def evaluate(
    detector: Ref,
    dataset: DatasetRef,
    *,
    dataset_version: Version = None,
    time_limit: TimeLimit = None,
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Compare the verdicts with a data set's labels."""
    with connect() as client:
        job = client.detectors.evaluate(detector, dataset, dataset_version=dataset_version, time_limit_s=time_limit)
        show(waited(job, as_json) if wait else job.state(), as_json)


@app.command()
def evaluations(detector: Ref, limit: Limit = 50, as_json: Json = False) -> None:
    """What is known of its agreement with labels, newest first."""
    with connect() as client:
        show_evaluations(client.detectors.evaluations(detector), limit, as_json)


@app.command()
def compare(
    detectors: Annotated[list[str], typer.Argument(metavar="DETECTOR...", help="2 to 20, each by id or name.")],
    *,
    dataset: Annotated[str, typer.Option(metavar="DATASET", help="Whose labels: id or name.")],
    dataset_version: Version = None,
    metric: Annotated[str, typer.Option(help=f"To rank by: {', '.join(METRICS)}.")] = "roc_auc",
    as_json: Json = False,
) -> None:
    """Detectors side by side, by their evaluations on the same rows."""
    with connect() as client:
        found = client.detectors.compare(detectors, dataset, dataset_version=dataset_version, metric=metric_of(metric))
    show(found, as_json) if as_json else show_comparison(found)
