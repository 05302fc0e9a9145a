"""`python -m model_service serve|migrate`."""

from pathlib import Path

from pynomaly_chassis.server import run_command, serve
from pynomaly_chassis.settings import load_settings

from model_service.app import create_app
from model_service.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"


def _serve() -> None:
    settings = load_settings(Settings)
    serve(create_app, settings, websocket_message_bytes=settings.max_stream_message_bytes)


def _migrate() -> None:
    from pynomaly_chassis.migrations import migrate  # noqa: PLC0415 - Alembic: 10 MB that serving does without

    migrate(load_settings(Settings), MIGRATIONS)


if __name__ == "__main__":
    run_command("model", {"serve": _serve, "migrate": _migrate})
