"""The command's entry: its sub-commands, and how each failure ends the process."""

import os
import signal
import sys
from collections.abc import Sequence

import typer

import pynomaly
from pynomaly.cli import admin, algorithms, datasets, detect, detectors, jobs, keys, models, predict, suite
from pynomaly.cli.failures import exit_code, report, report_usage

INTERRUPTED = 130

app = typer.Typer(
    name="pynomaly",
    help="Detect anomalies in tables. PYNOMALY_URL names the suite; without, the one on this machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
suite.add_to(app)
app.command("detect")(detect.detect)
app.command("predict")(predict.predict)
app.add_typer(datasets.app, name="datasets")
app.add_typer(detectors.app, name="detectors")
app.add_typer(algorithms.app, name="algorithms")
app.add_typer(jobs.app, name="jobs")
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(admin.app, name="admin")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pynomaly {pynomaly.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    del version  # its callback has answered


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say. 0: done; 1: it failed; 2: the input is not right; 130: Ctrl-C."""
    as_json = "--json" in arguments
    try:
        code = app(list(arguments), prog_name="pynomaly", standalone_mode=False)
    except typer.TyperException as error:
        report_usage(error, as_json)
        return error.exit_code
    except typer.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the exit flushes once more
        return 1
    except Exception as error:
        failed = exit_code(error)
        if failed is None:
            raise
        report(error, as_json, failed)
        return failed
    return code if isinstance(code, int) else 0


def main() -> None:
    """Console script. What stops a process politely also lets it tidy up."""
    signal.signal(signal.SIGTERM, lambda signum, _frame: sys.exit(128 + signum))
    sys.exit(run(sys.argv[1:]))
