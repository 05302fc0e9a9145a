"""`python -m dataset_service serve|migrate`."""

import sys
from pathlib import Path
from tempfile import NamedTemporaryFile

from pynomaly_chassis.server import run_command, serve
from pynomaly_chassis.settings import load_settings

from dataset_service.app import create_app
from dataset_service.settings import Settings


def _serve() -> None:
    settings = load_settings(Settings)
    _check_folder(settings)
    serve(lambda: create_app(settings), settings)


def _check_folder(settings: Settings) -> None:
    """A folder that cannot be written is a setting that is wrong: one line, exit code 2."""
    folder = settings.spool_folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        NamedTemporaryFile(dir=folder).close()
    except OSError as error:
        print(f"STORAGE_PATH: cannot write to {folder}: {error.strerror}", file=sys.stderr)  # noqa: T201 - before logs
        raise SystemExit(2) from error


def _migrate() -> None:
    from pynomaly_chassis.migrations import migrate  # noqa: PLC0415 - Alembic: 10 MB that serving does without

    migrate(load_settings(Settings), Path(__file__).parent / "migrations")


if __name__ == "__main__":
    run_command("dataset", {"serve": _serve, "migrate": _migrate})
