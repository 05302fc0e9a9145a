"""Evaluations that are kept, and what a detector was cloned from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"

_UUID = postgresql.UUID(as_uuid=True)


def upgrade() -> None:
    """Make the table and the column; code that does not know of them leaves them empty."""
    op.add_column("detectors", sa.Column("cloned_from", _UUID))
    op.create_table(
        "evaluations",
        sa.Column("id", _UUID, primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("detector_id", _UUID, nullable=False),
        sa.Column("model_id", _UUID, nullable=False),
        sa.Column("model_version", sa.Text, nullable=False),
        sa.Column("dataset_id", _UUID, nullable=False),
        sa.Column("dataset_version", sa.Text, nullable=False),
        sa.Column("target_column", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("metrics", postgresql.JSONB, nullable=False),
        sa.Column("paired", postgresql.JSONB),
        sa.Column("threshold", sa.Double, nullable=False),
        sa.Column("confusion", postgresql.JSONB),
        sa.Column("n_rows", sa.BigInteger, nullable=False),
        sa.Column("n_anomalies", sa.BigInteger, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("job_id", _UUID, nullable=False),
    )
    op.create_index("evaluations_job", "evaluations", ["tenant_id", "job_id"], unique=True)
    op.create_index("evaluations_newest", "evaluations", ["tenant_id", "detector_id", "id"])
