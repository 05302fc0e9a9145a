"""pynomaly models alias"""

from typing import Annotated

import typer
from rich.markup import escape

from pynomaly.cli.output import Json, Limit, print_json, say, show, show_list
from pynomaly.cli.suite import connect

app = typer.Typer(help="Movable names of versions, and where they were.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(metavar="MODEL", help="Id or name.")]
Alias = Annotated[str, typer.Argument(metavar="ALIAS")]
NONE = "none"


@app.command("set")
def set_(
    model: Ref,
    alias: Alias,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Number, UUID or alias.")],
    *,
    expect: Annotated[
        str | None, typer.Option(help=f"Only from this version, number or UUID; {NONE}: only if it is new.")
    ] = None,
    reason: Annotated[str | None, typer.Option(help="For the history.")] = None,
    as_json: Json = False,
) -> None:
    """Point an alias at a version."""
    expected = ... if expect is None else None if expect == NONE else expect
    with connect() as client:
        moved = client.models.set_alias(model, alias, version, expected_version=expected, reason=reason)
    show(moved, as_json)


@app.command("list")
def list_(model: Ref, as_json: Json = False) -> None:
    """A model's aliases, by name."""
    with connect() as client:
        found = client.models.aliases(model)
    show_list(found, ("alias", "version", "at", "reason", "by"), len(found), as_json)


@app.command()
def history(model: Ref, alias: Alias, limit: Limit = 50, as_json: Json = False) -> None:
    """Where an alias was, newest first."""
    with connect() as client:
        columns = ("at", "from_version", "to_version", "reason", "by")
        show_list(client.models.alias_history(model, alias), columns, limit, as_json)


@app.command()
def remove(model: Ref, alias: Alias, as_json: Json = False) -> None:
    """Forget an alias; the version stays, and the history."""
    with connect() as client:
        client.models.delete_alias(model, alias)
    print_json({"removed": alias}) if as_json else say(f"removed: {escape(alias)}")
