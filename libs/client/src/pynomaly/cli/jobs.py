"""pynomaly jobs"""

from datetime import datetime
from typing import Annotated, Literal

import typer

from pynomaly.cli.output import Json, Limit, print_json, say, show, show_list, waited
from pynomaly.cli.suite import connect

app = typer.Typer(help="Look at jobs, wait for them, cancel them, try them again, forget them.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(metavar="JOB", help="Id.")]
State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
Wait = Annotated[bool, typer.Option(help="Wait for the job to end.")]
Kind = Literal["train", "evaluate", "detect_batch"]


@app.command("list")
def list_(
    *,
    state: Annotated[State | None, typer.Option()] = None,
    kind: Annotated[Kind | None, typer.Option()] = None,
    detector: Annotated[str | None, typer.Option(help="Id or name.")] = None,
    created_after: Annotated[datetime | None, typer.Option(help="At this moment, local time, or later.")] = None,
    created_before: Annotated[datetime | None, typer.Option(help="Before this moment, local time.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """Jobs, newest first."""
    with connect() as client:
        found = client.jobs.list(
            state=state, kind=kind, detector=detector, created_after=created_after, created_before=created_before
        )
        show_list(found, ("id", "kind", "state", "progress", "stage", "created_at"), limit, as_json)


@app.command()
def summary(as_json: Json = False) -> None:
    """How many jobs there are, by state."""
    with connect() as client:
        show(client.jobs.summary(), as_json)


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


@app.command()
def retry(job: Ref, *, wait: Wait = True, as_json: Json = False) -> None:
    """Do again, as a new job, what one that failed or was cancelled was to do."""
    with connect() as client:
        again = client.jobs.retry(job)
        show(waited(again, as_json) if wait else again.state(), as_json)


@app.command()
def delete(job: Ref, as_json: Json = False) -> None:
    """Forget a job that has ended. A training stays as long as its detector."""
    with connect() as client:
        client.jobs.delete(job)
    print_json({"deleted": job}) if as_json else say(f"deleted {job}")
