"""pynomaly up, down, status, migrate: the suite on this machine."""

import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

import pynomaly
from pynomaly.cli.output import Json, print_json, say, show_rows


def add_to(app: typer.Typer) -> None:
    """The commands stand at the top level, as what one types most."""
    for command in (up, down, status, migrate):
        app.command()(command)


def local_suite() -> Any:
    """The package that runs the services here. Raises PynomalyError naming the extra that brings it."""
    try:
        return import_module("pynomaly_suite")
    except ModuleNotFoundError as error:
        if error.name != "pynomaly_suite":
            raise
        raise pynomaly.PynomalyError(
            "the services are not installed here: pip install 'pynomaly-client[suite]', "
            "or set PYNOMALY_URL to a suite that runs elsewhere"
        ) from error


def connect(timeout_s: float = 30.0) -> "pynomaly.Client":
    """PYNOMALY_URL's suite, else the one that runs on this machine's PYNOMALY_HOME, else what has the usual port."""
    return pynomaly.Client(os.environ.get("PYNOMALY_URL") or _running_here(), timeout_s=timeout_s)


def _running_here() -> str | None:
    """Ports may have been moved; the suite has written down where it listens."""
    if find_spec("pynomaly_suite") is None:
        return None
    url: str | None = local_suite().running_url()
    return url


def up(
    run: Annotated[
        Path | None, typer.Option(metavar="SCRIPT", help="A Python script to run once all are ready.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End after the script, with its exit code.")] = False,
    as_json: Json = False,
) -> None:
    """Start every service on this machine and serve until Ctrl-C."""
    if once and run is None:
        raise typer.BadParameter("needs --run SCRIPT, whose end it waits for", param_hint="--once")
    if run is not None and not run.is_file():
        raise typer.BadParameter(f"there is no file {str(run)!r}", param_hint="--run")
    _ended("exit_code", local_suite().run_suite(script=run, once=once), as_json)


def down(as_json: Json = False) -> None:
    """Stop the suite that runs on this machine, and wait until it has ended."""
    _ended("exit_code", local_suite().stop(), as_json)


def migrate(as_json: Json = False) -> None:
    """Bring the local databases to the newest schema, without serving."""
    _ended("exit_code", local_suite().migrate(), as_json)


def status(as_json: Json = False) -> None:
    """How every service is; exit code 1 where one is not well or none answers."""
    with connect(timeout_s=5) as client:
        found = client.status()
    services = {name: "no answer" if one is None else one.status for name, one in found.services.items()}
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        rows = [(name, state, _version(found.services[name])) for name, state in services.items()]
        show_rows(("service", "state", "version"), [(found.service, found.status, found.version), *rows])
        say(f"at {client.url}, up for {found.uptime_seconds:.0f} s")
    raise typer.Exit(0 if {found.status, *services.values()} == {"ok"} else 1)


def _version(service: Any) -> str | None:
    return None if service is None else service.version


def _ended(name: str, code: int, as_json: bool) -> None:
    if as_json:
        print_json({name: code})
    raise typer.Exit(code)
