"""pynomaly jobs"""

from typing import Annotated, Literal

import typer

from pynomaly.cli.output import Json, Limit, show, show_list, waited
from pynomaly.cli.suite import connect

app = typer.Typer(help="Look at jobs, wait for them, cancel them.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(metavar="JOB", help="Id.")]
State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Kind = Literal["train", "evaluate", "detect_batch"]


@app.command("list")
def list_(
    state: Annotated[State | None, typer.Option()] = None,
    kind: Annotated[Kind | None, typer.Option()] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """Jobs, newest first."""
    with connect() as client:
        found = client.jobs.list(state=state, kind=kind)
        show_list(found, ("id", "kind", "state", "progress", "stage", "created_at"), limit, as_json)


@app.command("show")
def show_(job: Ref, as_json: Json = False) -> None:
    """One job as it is now."""
    with connect() as client:
        show(client.jobs.get(job), as_json)


@app.command()
def wait(job: Ref, as_json: Json = False) -> None:
    """Follow a job to its end and print its result. Ctrl-C leaves it running."""
    with connect() as client:
        show(waited(client.jobs.handle(job), as_json), as_json)


@app.command()
def cancel(job: Ref, as_json: Json = False) -> None:
    """Ask a job to stop."""
    with connect() as client:
        show(client.jobs.cancel(job), as_json)
