"""Imports as jobs."""

import sqlalchemy as sa
from pynomaly_chassis.jobs import create_job_tables_v1

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    create_job_tables_v1(
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("n_bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("total_bytes", sa.BigInteger),
        sa.Column("n_rows", sa.BigInteger),
    )
