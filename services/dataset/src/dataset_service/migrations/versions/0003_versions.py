"""Earlier versions of data sets: the newest one stays in `datasets` itself, where code that knows no other finds it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "earlier_versions",
        sa.Column("dataset_id", UUID(as_uuid=True), sa.ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("version", sa.Text, primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("n_rows", sa.BigInteger, nullable=False),
        sa.Column("columns", JSONB, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("source", JSONB),
        sa.Column("object_key", sa.Text, nullable=False, unique=True),
        sa.Column("made_by", sa.Text),
        sa.Column("created_at", moment, nullable=False),
    )
    op.add_column("datasets", sa.Column("made_by", sa.Text))
    op.add_column("datasets", sa.Column("version_created_at", moment))
