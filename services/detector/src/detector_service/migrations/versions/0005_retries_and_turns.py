"""Retries and time limits of jobs, the turns of tenants, and who works.

The columns of before stay as they are, and so do the indexes that older code claims by.
"""

import sqlalchemy as sa
from alembic import op
from pynomaly_chassis.jobs import create_job_companions_v1
from sqlalchemy.dialects.postgresql import UUID

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add what older code does not ask for."""
    op.add_column("jobs", sa.Column("retry_of", UUID(as_uuid=True)))
    op.add_column("jobs", sa.Column("time_limit_s", sa.Double))
    create_job_companions_v1()
    op.create_index("jobs_by_detector", "jobs", ["tenant_id", "detector_id", "id"])
