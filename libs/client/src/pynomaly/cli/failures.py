"""What a failure says on standard error, and with which code it ends the process."""

import json
import sys
from typing import TYPE_CHECKING

import typer

import pynomaly
from pynomaly.cli.preprocessing import HINT

if TYPE_CHECKING:
    from pynomaly_contracts.problems import Problem

FAILED, BAD_INPUT = 1, 2


def exit_code(error: Exception) -> int | None:
    """2: the input must change; 1: it failed; None: nobody expected this error."""
    errors = pynomaly.errors
    if isinstance(error, errors.InvalidInput):
        return BAD_INPUT
    if isinstance(error, (errors.ApiError, errors.JobFailed)):
        status = error.problem.status if error.problem else 500
        return BAD_INPUT if 400 <= status < 500 else FAILED
    if isinstance(error, errors.PynomalyError):
        return FAILED
    code = getattr(error, "exit_code", None)  # the suite's own errors know theirs
    return code if isinstance(code, int) else None


def report(error: Exception, as_json: bool, code: int) -> None:
    """The failure, for people or as a problem."""
    problem: Problem | None = getattr(error, "problem", None)
    if not as_json:
        _say(str(error))
    elif problem is not None:
        _print(problem.model_dump_json(exclude_none=True))
    else:
        _print(_problem(type(error).__name__, str(error), code))


def report_usage(error: typer.TyperException, as_json: bool) -> None:
    """Arguments that cannot be understood."""
    message = error.format_message().replace("Value error, ", "")
    if as_json:
        _print(_problem("Usage", message, error.exit_code))
    elif message:
        _say(message)


def _problem(title: str, detail: str, code: int) -> str:
    status = 400 if code == BAD_INPUT else 500
    return json.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail}, ensure_ascii=False)


def _say(message: str) -> None:
    if "preprocessing." in message:
        message = f"{message} ({HINT})"
    typer.secho(f"pynomaly: {message}", fg=typer.colors.RED, err=True)


def _print(text: str) -> None:
    sys.stderr.write(text + "\n")
