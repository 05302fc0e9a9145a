"""pynomaly datasets"""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape

from pynomaly.cli.output import Json, Limit, names, pairs, print_json, say, show, show_list, show_rows, waited
from pynomaly.cli.suite import connect

app = typer.Typer(help="Upload, look at, cut and read tables.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(metavar="DATASET", help="Id or name.")]
Seed = Annotated[int, typer.Option(help="Of the random choice.")]
COLUMNS = ("name", "n_rows", "n_features", "target_column", "created_at")
READING = ("format", "delimiter", "decimal", "header", "encoding", "null_words", "sheet")

Reading = Annotated[
    list[str] | None,
    typer.Option(metavar="OPTION=VALUE", help=f"Where it is not found out right: {', '.join(READING)}."),
]
File = Annotated[Path, typer.Argument(help="CSV, NDJSON, JSON, Parquet, Arrow or Excel, also as gzip or zstd.")]
State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Import = Annotated[str, typer.Argument(metavar="IMPORT", help="Id.")]
IMPORT_COLUMNS = ("id", "name", "state", "stage", "n_bytes", "n_rows", "created_at")
VERSION_COLUMNS = ("version", "made_by", "n_rows", "created_at")


@app.command()
def upload(
    file: File,
    *,
    name: Annotated[str | None, typer.Option(help="The file's name without.")] = None,
    target: Annotated[str | None, typer.Option(help="The column that holds the labels.")] = None,
    description: Annotated[str | None, typer.Option()] = None,
    read: Reading = None,
    as_json: Json = False,
) -> None:
    """Store a file: --read delimiter=semicolon --read decimal=, ..."""
    reading = _reading(read)
    with connect() as client:
        show(client.datasets.upload(file, name, target_column=target, description=description, **reading), as_json)


@app.command("import")
def import_(
    url: Annotated[str | None, typer.Argument(help="s3://, gs://, az:// or https://.")] = None,
    *,
    name: Annotated[str | None, typer.Option(help="The file's name without.")] = None,
    query: Annotated[str | None, typer.Option(help="One SELECT, in place of an address.")] = None,
    connection: Annotated[str | None, typer.Option(help="Where to: one that the operator has named.")] = None,
    target: Annotated[str | None, typer.Option(help="The column that holds the labels.")] = None,
    description: Annotated[str | None, typer.Option()] = None,
    read: Reading = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until the data set is there.")] = False,
    as_json: Json = False,
) -> None:
    """Let the suite fetch a file, or the rows of a query. Ctrl-C leaves it running."""
    about = {"query": query, "connection": connection, "target_column": target, "description": description}
    reading = _reading(read)
    with connect() as client:
        begun = client.datasets.import_(url, name, **about, **reading)  # type: ignore[arg-type]  # mypy mixes the two
        show(waited(begun, as_json) if wait else begun.state(), as_json)


@app.command()
def imports(state: Annotated[State | None, typer.Option()] = None, limit: Limit = 50, as_json: Json = False) -> None:
    """Imports, newest first."""
    with connect() as client:
        show_list(client.datasets.imports(state=state), IMPORT_COLUMNS, limit, as_json)


@app.command("show-import")
def show_import(job: Import, as_json: Json = False) -> None:
    """One import as it is now."""
    with connect() as client:
        show(client.datasets.imported(job).state(), as_json)


@app.command("cancel-import")
def cancel_import(job: Import, as_json: Json = False) -> None:
    """Ask an import to stop."""
    with connect() as client:
        show(client.datasets.imported(job).cancel(), as_json)


@app.command()
def download(
    dataset: Ref,
    output: Annotated[Path, typer.Argument(help="Where to write it: a Parquet file.")],
    version: Annotated[str | None, typer.Option(help="The newest without.")] = None,
    as_json: Json = False,
) -> None:
    """Write the whole data set to a Parquet file, from the object storage itself where that can be."""
    with connect() as client:
        written = client.datasets.download(dataset, output, version=version, format="parquet")
    print_json({"output": str(written)}) if as_json else say(f"wrote {escape(str(written))}")


@app.command("list")
def list_(limit: Limit = 50, as_json: Json = False) -> None:
    """Data sets, newest first."""
    with connect() as client:
        show_list(client.datasets.list(), COLUMNS, limit, as_json)


@app.command("show")
def show_(dataset: Ref, as_json: Json = False) -> None:
    """One data set."""
    with connect() as client:
        show(client.datasets.get(dataset), as_json)


@app.command("add-version")
def add_version(
    dataset: Ref,
    file: File,
    *,
    mode: Annotated[Literal["append", "replace"], typer.Option(help="After the rows, or instead.")] = "append",
    read: Reading = None,
    as_json: Json = False,
) -> None:
    """Make the next version of a data set."""
    reading = _reading(read)
    with connect() as client:
        show(client.datasets.add_version(dataset, file, mode=mode, **reading), as_json)


@app.command()
def versions(dataset: Ref, as_json: Json = False) -> None:
    """Every version, newest first."""
    with connect() as client:
        found = client.datasets.versions(dataset)
    show_list(found, VERSION_COLUMNS, len(found), as_json)


@app.command()
def update(
    dataset: Ref,
    name: Annotated[str | None, typer.Option(help="A new one.")] = None,
    target: Annotated[str | None, typer.Option(help="The column that holds the labels; '' for none.")] = None,
    description: Annotated[str | None, typer.Option(help="'' for none.")] = None,
    as_json: Json = False,
) -> None:
    """Change the name, the target column or the description."""
    given = {"name": name, "target_column": target, "description": description}
    changes = {key: value or None for key, value in given.items() if value is not None}
    with connect() as client:
        show(client.datasets.update(dataset, **changes), as_json)


@app.command()
def delete(dataset: Ref, as_json: Json = False) -> None:
    """Remove a data set."""
    with connect() as client:
        client.datasets.delete(dataset)
    print_json({"deleted": dataset}) if as_json else say(f"deleted {dataset}")


@app.command()
def quality(dataset: Ref, as_json: Json = False) -> None:
    """What the columns look like, and what to mind before training."""
    with connect() as client:
        report = client.datasets.quality(dataset)
    if as_json:
        show(report, as_json)
        return
    columns = ("name", "type", "n_missing", "n_distinct", "min", "mean", "max")
    show_rows(columns, ([getattr(column, name) for name in columns] for column in report.columns))
    say(f"{report.n_rows} rows, {report.n_duplicate_rows} of them repeated; {report.n_missing} values missing")
    for warning in report.warnings:
        say(f"[yellow]{escape(warning)}[/]")


@app.command()
def sample(dataset: Ref, n: Annotated[int, typer.Option(min=1)] = 10, seed: Seed = 0, as_json: Json = False) -> None:
    """A few rows, drawn at random."""
    with connect() as client:
        drawn = client.datasets.sample(dataset, n, seed=seed)
    if as_json:
        show(drawn, as_json)
    elif drawn.rows:
        show_rows(list(drawn.rows[0]), ([*row.values()] for row in drawn.rows))


@app.command()
def split(
    dataset: Ref,
    *,
    part: Annotated[list[str], typer.Option(metavar="NAME=FRACTION", help="Once per part; together 1.")],
    stratify_by: Annotated[str | None, typer.Option(help="Keep this column's shares in every part.")] = None,
    order_by: Annotated[str | None, typer.Option(help="Cut in this column's order, usually a time's.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Cut into parts: --part train=0.7 --part test=0.3."""
    fractions = {name: _fraction(text) for name, text in pairs(part, "--part").items()}
    with connect() as client:
        parts = client.datasets.split(dataset, fractions, stratify_by=stratify_by, order_by=order_by, seed=seed)
    show_list(parts.values(), COLUMNS, len(parts), as_json)


@app.command()
def rows(
    dataset: Ref,
    output: Annotated[Path, typer.Option(help="Where to write them.")],
    columns: Annotated[str | None, typer.Option(metavar="A,B", help="Which; all without.")] = None,
    format: Annotated[Literal["csv", "ndjson", "arrow", "parquet"], typer.Option()] = "csv",  # noqa: A002 - the option's name
    as_json: Json = False,
) -> None:
    """Write the rows to a file."""
    with connect() as client:
        written = client.datasets.download(dataset, output, names(columns), format=format)
    print_json({"output": str(written)}) if as_json else say(f"wrote {escape(str(written))}")


def _reading(read: list[str] | None) -> dict[str, str]:
    reading = pairs(read or [], "--read")
    strange = next((option for option in reading if option not in READING), None)
    if strange is not None:
        raise typer.BadParameter(f"{strange!r} is none of {', '.join(READING)}", param_hint="--read")
    return reading


def _fraction(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no fraction such as 0.7", param_hint="--part") from error
