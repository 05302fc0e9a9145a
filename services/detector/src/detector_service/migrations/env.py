"""Alembic's entry point."""

from detector_service.tables import metadata
from pynomaly_chassis.migrations import run_migrations

run_migrations(metadata)
