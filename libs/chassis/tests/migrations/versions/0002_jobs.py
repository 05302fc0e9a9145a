"""Jobs with a column of the tiny service's own."""

import sqlalchemy as sa
from pynomaly_chassis.jobs import create_job_tables_v1

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    create_job_tables_v1(sa.Column("note_id", sa.Uuid))
