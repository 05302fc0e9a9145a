"""pynomaly models"""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pynomaly.cli.output import Json, Limit, print_json, say, show, show_list
from pynomaly.cli.suite import connect

app = typer.Typer(help="Look at models and versions, name them, load them.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(metavar="MODEL", help="Id or name.")]
VersionRef = Annotated[str, typer.Argument(metavar="VERSION", help="Number, UUID or alias.")]
Version = Annotated[str | None, typer.Option(help="Number, UUID or alias; the latest without.")]


@app.command("list")
def list_(limit: Limit = 50, as_json: Json = False) -> None:
    """Models, newest first."""
    with connect() as client:
        columns = ("name", "latest_version", "aliases", "is_default", "created_at")
        show_list(client.models.list(), columns, limit, as_json)


@app.command("show")
def show_(model: Ref, version: Version = None, as_json: Json = False) -> None:
    """One model, or one of its versions."""
    with connect() as client:
        show(client.models.get(model) if version is None else client.models.version(model, version), as_json)


@app.command()
def versions(model: Ref, limit: Limit = 50, as_json: Json = False) -> None:
    """A model's versions, newest first."""
    with connect() as client:
        columns = ("version", "algorithm", "n_train", "threshold", "n_bytes", "created_at")
        show_list(client.models.versions(model), columns, limit, as_json)


@app.command()
def artefact(
    model: Ref,
    version: VersionRef,
    output: Annotated[Path, typer.Option(help="Where to write the zip.")],
    as_json: Json = False,
) -> None:
    """Write a version's signed artefact to a file."""
    with connect() as client:
        _done("output", client.models.artefact(model, version, output), as_json)


@app.command()
def load(model: Ref, version: Version = None, as_json: Json = False) -> None:
    """Bring a version into memory."""
    with connect() as client:
        show(client.models.load(model, version), as_json)


@app.command()
def unload(model: Ref, as_json: Json = False) -> None:
    """Give a model's memory back."""
    with connect() as client:
        client.models.unload(model)
    _done("unloaded", model, as_json)


@app.command()
def alias(model: Ref, alias: Annotated[str, typer.Argument()], version: VersionRef, as_json: Json = False) -> None:
    """Point an alias at a version."""
    with connect() as client:
        show(client.models.set_alias(model, alias, version), as_json)


@app.command()
def unalias(model: Ref, alias: Annotated[str, typer.Argument()], as_json: Json = False) -> None:
    """Forget an alias."""
    with connect() as client:
        client.models.delete_alias(model, alias)
    _done("forgotten", alias, as_json)


@app.command()
def default(
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Id or name.")] = None,
    version: Version = None,
    as_json: Json = False,
) -> None:
    """Say, or with MODEL choose, what predict uses without a model."""
    with connect() as client:
        show(client.models.default() if model is None else client.models.set_default(model, version), as_json)


@app.command()
def delete(model: Ref, as_json: Json = False) -> None:
    """Remove a model with all its versions."""
    with connect() as client:
        client.models.delete(model)
    _done("deleted", model, as_json)


def _done(what: str, value: object, as_json: bool) -> None:
    print_json({what: str(value)}) if as_json else say(f"{what}: {escape(str(value))}")
