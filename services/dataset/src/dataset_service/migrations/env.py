"""Alembic's way in."""

from dataset_service.tables import metadata
from pynomaly_chassis.migrations import run_migrations

run_migrations(metadata)
