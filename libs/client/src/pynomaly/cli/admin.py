"""pynomaly admin: settings read again and features switched, while the services run."""

import getpass
import os
import socket
from collections.abc import Callable
from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

import pynomaly
from pynomaly.cli.output import Json, print_json, show_rows
from pynomaly.cli.suite import connect, local_suite

if TYPE_CHECKING:
    from pynomaly_contracts.admin import ServiceResult, SuiteResult

app = typer.Typer(help="Read settings again and switch features, without a restart.", no_args_is_help=True)
flags = typer.Typer(help="The features that have a switch.", no_args_is_help=True)
app.add_typer(flags, name="flags")


class Whose(StrEnum):
    """The services that an operator speaks to."""

    GATEWAY = "gateway"
    DATASET = "dataset"
    DETECTOR = "detector"
    MODEL = "model"
    ALL = "all"


class State(StrEnum):
    """Of a switch; `setting`: whatever its setting says."""

    ON = "on"
    OFF = "off"
    SETTING = "setting"


Service = Annotated[Whose, typer.Option("--service", help="Whose; all: of every service.")]


@app.command("reload")
def reload_(service: Service = Whose.ALL, as_json: Json = False) -> None:
    """Let services read their settings again; where one is wrong, that service changes nothing. Exit code 1 then."""
    with connect() as client:
        result = client.admin.reload_config(service.value, token=_token(client.url))
    _ended(result, as_json, _changes)


@flags.command("list")
def list_(service: Service = Whose.ALL, as_json: Json = False) -> None:
    """Every switch and who moved it last."""
    with connect() as client:
        result = client.admin.feature_flags(service.value, token=_token(client.url))
    _ended(result, as_json, _switches)


@flags.command("set")
def set_(
    name: Annotated[str, typer.Argument(help="As STREAMING_ENABLED.")],
    state: Annotated[State, typer.Argument(help="on, off, or setting: as its setting says again.")],
    service: Service = Whose.ALL,
    reason: Annotated[str, typer.Option("--reason", help="For those who read of it later.")] = "",
    as_json: Json = False,
) -> None:
    """Move a switch, in every replica of the services that have the feature."""
    wanted = {State.ON: True, State.OFF: False, State.SETTING: None}[state]
    with connect() as client:
        result = client.admin.set_feature_flags(
            {name.upper(): wanted}, service.value, token=_token(client.url), reason=reason, by=who_asks()
        )
    _ended(result, as_json, _switches)


def who_asks(user_name: Callable[[], str] = getpass.getuser) -> str:
    """The user, by number where a container has no name for it, and the machine."""
    try:
        user = user_name()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"[:128]


def _token(url: str) -> str:
    """ADMIN_TOKEN, else, for a suite on this machine alone, what its home keeps: it is nobody else's to see."""
    from pynomaly.core.wire import LOOPBACK  # noqa: PLC0415 - httpx, which help does without

    token = os.environ.get("ADMIN_TOKEN")
    if not token and urlsplit(url).hostname in LOOPBACK and find_spec("pynomaly_suite"):
        token = local_suite().admin_token()
    if not token:
        raise pynomaly.errors.InvalidInput(f"ADMIN_TOKEN is needed: the token that the services at {url} were given")
    return token


def _ended(result: "SuiteResult", as_json: bool, rows: Any) -> None:
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        show_rows(("service", "outcome", "what"), [row for each in result.results for row in _told(each, rows)])
    raise typer.Exit(1 if any(each.outcome == "failed" for each in result.results) else 0)


def _told(result: "ServiceResult", rows: Any) -> list[tuple[str, str, str]]:
    if result.answer is None:
        said = [result.problem.detail if result.problem else "has no such feature"]
    else:
        said = rows(result.answer) or ["nothing changed"]
    return [(result.service, result.outcome, line) for line in said]


def _changes(answer: dict[str, Any]) -> list[str]:
    applied = [f"{each['name']}: {each['old']} -> {each['new']}" for each in answer["applied"]]
    later = [f"{each['name']}: needs a restart" for each in answer["needs_restart"]]
    shadowed = [f"{name}: the environment says otherwise" for name in answer["overridden"]]
    return applied + later + shadowed + [f"{name}: no setting of this service" for name in answer["unknown"]]


def _switches(answer: dict[str, Any]) -> list[str]:
    lines = []
    for flag in answer["items"]:
        if flag["heeded"]:
            who = f", by {flag['changed_by']}" if flag["changed_by"] else ""
            lines.append(f"{flag['name']}: {'on' if flag['enabled'] else 'off'} ({flag['source']}{who})")
    return lines or ["no feature with a switch"]
