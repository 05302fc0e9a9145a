"""pynomaly detectors"""

import json
from typing import Annotated, Any

import typer

from pynomaly.cli.comparison import METRICS, metric_of, show_comparison, show_evaluations
from pynomaly.cli.output import Json, Limit, names, pairs, print_json, say, show, show_list, waited
from pynomaly.cli.preprocessing import Categories, Dates, Missing, Scaling, preprocessing
from pynomaly.cli.suite import connect

app = typer.Typer(help="Create, train and evaluate detectors.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(metavar="DETECTOR", help="Id or name.")]
DatasetRef = Annotated[str, typer.Argument(metavar="DATASET", help="Id or name.")]
Version = Annotated[str | None, typer.Option(metavar="N", help="Of the data set; the newest without.")]
Wait = Annotated[bool, typer.Option(help="Wait for the job to end.")]
TimeLimit = Annotated[float | None, typer.Option(metavar="S", help="Of the job, s; the suite's own without.")]
Contamination = Annotated[float | None, typer.Option(help="Expected share of anomalies, over 0 to 0.5.")]
Parameters = Annotated[
    list[str] | None, typer.Option("--parameter", metavar="NAME=VALUE", help="Of the algorithm; may be repeated.")
]
Threshold = Annotated[
    str | None,
    typer.Option(
        metavar="METHOD=TARGET",
        help="precision=0.9 or false-alarm-rate=0.01, kept on the labels of the training data; else contamination.",
    ),
]
Columns = Annotated[str | None, typer.Option(metavar="A,B", help="Features; every column of numbers without.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument()],
    *,
    algorithm: Annotated[str, typer.Option(help="`pynomaly algorithms list` knows them.")] = "IForest",
    contamination: Contamination = None,
    parameter: Parameters = None,
    columns: Columns = None,
    missing: Missing = None,
    categories: Categories = None,
    dates: Dates = None,
    scaling: Scaling = None,
    threshold: Threshold = None,
    seed: Annotated[int | None, typer.Option(help="Of every random choice.")] = None,
    description: Annotated[str | None, typer.Option()] = None,
    as_json: Json = False,
) -> None:
    """A detector to be trained."""
    with connect() as client:
        detector = client.detectors.create(
            name,
            algorithm,
            contamination=contamination,
            parameters=parameters(parameter),
            feature_columns=names(columns),
            preprocessing=preprocessing(missing, categories, dates, scaling),
            threshold=threshold_choice(threshold),
            seed=seed,
            description=description,
        )
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
def update(
    detector: Ref,
    *,
    contamination: Contamination = None,
    parameter: Parameters = None,
    columns: Columns = None,
    missing: Missing = None,
    categories: Categories = None,
    dates: Dates = None,
    scaling: Scaling = None,
    threshold: Threshold = None,
    as_json: Json = False,
) -> None:
    """Change what the next training uses."""
    with connect() as client:
        changed = client.detectors.update(
            detector,
            contamination=contamination,
            parameters=parameters(parameter),
            feature_columns=names(columns),
            preprocessing=preprocessing(missing, categories, dates, scaling),
            threshold=threshold_choice(threshold),
        )
    show(changed, as_json)


@app.command()
def delete(detector: Ref, as_json: Json = False) -> None:
    """Remove a detector; its model stays."""
    with connect() as client:
        client.detectors.delete(detector)
    print_json({"deleted": detector}) if as_json else say(f"deleted {detector}")


@app.command()
def clone(
    detector: Ref,
    name: Annotated[str, typer.Argument(help="Of the new detector.")],
    *,
    algorithm: Annotated[str | None, typer.Option(help="Another one takes its own parameters.")] = None,
    contamination: Contamination = None,
    parameter: Parameters = None,
    columns: Columns = None,
    missing: Missing = None,
    categories: Categories = None,
    dates: Dates = None,
    scaling: Scaling = None,
    threshold: Threshold = None,
    seed: Annotated[int | None, typer.Option(help="Of every random choice.")] = None,
    description: Annotated[str | None, typer.Option()] = None,
    as_json: Json = False,
) -> None:
    """A new detector, set up as another one but for what is said."""
    with connect() as client:
        made = client.detectors.clone(
            detector,
            name,
            algorithm=algorithm,
            contamination=contamination,
            parameters=parameters(parameter) if algorithm is None else parameters(parameter or []),
            feature_columns=names(columns),
            preprocessing=preprocessing(missing, categories, dates, scaling),
            threshold=threshold_choice(threshold),
            seed=seed,
            description=description,
        )
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


def threshold_choice(text: str | None) -> dict[str, Any] | None:
    """'precision=0.9', 'false-alarm-rate=0.01' or 'contamination' as the contract has it, which says what is wrong."""
    if text is None:
        return None
    method, equals, target = text.partition("=")
    return {"method": method.strip().replace("-", "_"), **({"target": target} if equals else {})}


def parameters(texts: list[str] | None) -> dict[str, Any] | None:
    """NAME=VALUE texts; a value is JSON where it can be, else the text itself."""
    if texts is None:
        return None
    return {name: _value(text) for name, text in pairs(texts, "--parameter").items()}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
