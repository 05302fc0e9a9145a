"""pynomaly algorithms"""

from typing import Annotated

import typer

from pynomaly.cli.output import Json, show, show_list
from pynomaly.cli.suite import connect

app = typer.Typer(help="What detectors can use.", no_args_is_help=True)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Every algorithm on offer."""
    with connect() as client:
        found = client.algorithms.list()
    show_list(found, ("name", "online", "fit_cost", "score_cost", "title"), len(found), as_json)


@app.command("show")
def show_(name: Annotated[str, typer.Argument()], as_json: Json = False) -> None:
    """One algorithm, with its parameters."""
    with connect() as client:
        show(client.algorithms.get(name), as_json)
