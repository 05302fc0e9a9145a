"""pynomaly models"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from pynomaly.cli import aliases
from pynomaly.cli.output import Json, Limit, pairs, print_json, say, show, show_list, show_rows
from pynomaly.cli.suite import connect

if TYPE_CHECKING:
    from pynomaly_contracts.models import ModelVersion

app = typer.Typer(help="Look at models and versions, name them, load them.", no_args_is_help=True)
app.add_typer(aliases.app, name="alias")

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
def download(
    model: Ref,
    version: VersionRef,
    output: Annotated[Path, typer.Option(help="Where to write the zip.")],
    trusted_keys: Annotated[
        Path | None, typer.Option(help="PEM file or folder of public keys, one of which must have signed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a version's signed artefact to a file, its digest checked, and its signature where keys are given."""
    with connect() as client:
        _done("output", client.models.download(model, version, output, trusted_keys=trusted_keys), as_json)


@app.command()
def notes(
    model: Ref,
    version: VersionRef,
    text: Annotated[str | None, typer.Argument(help="What to note, in place of what is noted; '' is nothing.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE, in place of all labels; repeat it for more, '' for none.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say, or with TEXT or --label change, what is noted of a version."""
    changes: dict[str, object] = {} if text is None else {"notes": text or None}
    if label is not None:
        changes["labels"] = pairs([each for each in label if each], "--label")
    with connect() as client:
        found = client.models.update_version(model, version, **changes) if changes else None
        _noted(found or client.models.version(model, version), as_json)


@app.command()
def load(model: Ref, version: Version = None, as_json: Json = False) -> None:
    """Bring a version into memory."""
    with connect() as client:
        show(client.models.load(model, version), as_json)


@app.command()
def unload(model: Ref, as_json: Json = False) -> None:
    """Give a model's memory back, but for versions that are pinned."""
    with connect() as client:
        client.models.unload(model)
    _done("unloaded", model, as_json)


@app.command()
def pin(model: Ref, version: VersionRef, as_json: Json = False) -> None:
    """Keep a version in the memory of every replica."""
    with connect() as client:
        show(client.models.pin(model, version), as_json)


@app.command()
def unpin(model: Ref, version: VersionRef, as_json: Json = False) -> None:
    """Let a version leave memory where there is no room."""
    with connect() as client:
        client.models.unpin(model, version)
    _done("unpinned", f"{model} {version}", as_json)


@app.command()
def serving(model: Ref, version: VersionRef, as_json: Json = False) -> None:
    """Whether a version is to be in memory, and is."""
    with connect() as client:
        show(client.models.serving(model, version), as_json)


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
def delete(model: Ref, version: Version = None, as_json: Json = False) -> None:
    """Remove a model with all its versions, or one version."""
    with connect() as client:
        if version is None:
            client.models.delete(model)
        else:
            client.models.delete_version(model, version)
    _done("deleted", model if version is None else f"{model} {version}", as_json)


def _noted(version: "ModelVersion", as_json: bool) -> None:
    noted = {"version": version.version, "notes": version.notes, "labels": version.labels}
    if as_json:
        print_json(noted)
    else:
        show_rows(("version", "notes", "labels"), [tuple(noted.values())])


def _done(what: str, value: object, as_json: bool) -> None:
    print_json({what: str(value)}) if as_json else say(f"{what}: {escape(str(value))}")
