"""`python -m detector_service serve|migrate|worker`."""

from pathlib import Path

from pynomaly_chassis.migrations import migrate
from pynomaly_chassis.server import run_command, serve
from pynomaly_chassis.settings import load_settings

from detector_service.settings import Settings, WorkerSettings


def _serve() -> None:
    from detector_service.app import create_app  # noqa: PLC0415 - `migrate` does without it

    settings = load_settings(Settings)
    serve(lambda: create_app(settings), settings)


def _migrate() -> None:
    migrate(load_settings(Settings), Path(__file__).parent / "migrations")


def _work() -> None:
    from detector_service.app import create_worker_app  # noqa: PLC0415 - `migrate` does without it

    settings = load_settings(WorkerSettings)
    serve(lambda: create_worker_app(settings), settings)


if __name__ == "__main__":
    run_command("detector", {"serve": _serve, "migrate": _migrate, "worker": _work})
