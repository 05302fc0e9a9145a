"""pynomaly keys: whose models the suite of this machine trusts, and which key signs."""

from dataclasses import asdict
from typing import Annotated

import typer

from pynomaly.cli.output import Json, print_json, say, show_rows
from pynomaly.cli.suite import local_suite

app = typer.Typer(help="Whose models are trusted on this machine, and which key signs.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Every key: its hint, and whether it signs, is trusted or is revoked."""
    keys = local_suite().known_keys()
    if as_json:
        print_json({"items": [asdict(key) for key in keys]})
    else:
        show_rows(("key", "state", "files"), [(key.hint[:16], key.state, ", ".join(key.files) or None) for key in keys])


@app.command("rotate")
def rotate(as_json: Json = False) -> None:
    """Sign new models with a new key; those that are there stay trusted. Needs no restart."""
    _tell(local_suite().rotate_key(), "signs from now on; the key before it is still trusted", as_json)


@app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(help="The beginning of its hint, as `keys list` shows it.")],
    as_json: Json = False,
) -> None:
    """Trust a key no longer: what it signed is refused at its next load. Needs no restart."""
    _tell(local_suite().revoke_key(key), "is revoked; its models are refused at their next load", as_json)


def _tell(hint: str, what: str, as_json: bool) -> None:
    if as_json:
        print_json({"hint": hint})
    else:
        say(f"{hint[:16]} {what}.")
