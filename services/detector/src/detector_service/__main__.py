"""`python -m detector_service serve|migrate|worker|make-key`."""

from pathlib import Path

from pynomaly_chassis.server import run_command, serve
from pynomaly_chassis.settings import load_settings

from detector_service.settings import KeySettings, Settings, WorkerSettings


def _serve() -> None:
    from detector_service.app import create_app  # noqa: PLC0415 - `migrate` does without it

    settings = load_settings(Settings)
    serve(lambda: create_app(settings), settings)


def _migrate() -> None:
    from pynomaly_chassis.migrations import migrate  # noqa: PLC0415 - Alembic: 10 MB that serving does without

    migrate(load_settings(Settings), Path(__file__).parent / "migrations")


def _work() -> None:
    from detector_service.app import create_worker_app  # noqa: PLC0415 - `migrate` does without it

    settings = load_settings(WorkerSettings)
    serve(lambda: create_worker_app(settings), settings)


def _make_key() -> None:
    from pynomaly_scoring import ensure_signing_key  # noqa: PLC0415 - slow, and needed once

    settings = load_settings(KeySettings)
    ensure_signing_key(settings.signing_key_path, settings.trusted_keys_path / "signing.pub.pem")


if __name__ == "__main__":
    run_command("detector", {"serve": _serve, "migrate": _migrate, "worker": _work, "make-key": _make_key})
