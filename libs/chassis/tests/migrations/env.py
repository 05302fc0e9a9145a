"""Alembic's entry."""

import sqlalchemy as sa
from pynomaly_chassis.migrations import run_migrations

run_migrations(sa.MetaData())
