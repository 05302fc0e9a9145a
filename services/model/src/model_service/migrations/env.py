"""Alembic's entry."""

from model_service.tables import METADATA
from pynomaly_chassis.migrations import run_migrations

run_migrations(METADATA)
