"""Data sets and idempotency keys."""

import sqlalchemy as sa
from alembic import op
from pynomaly_chassis.idempotency import create_idempotency_table_v1
from sqlalchemy.dialects.postgresql import JSONB, UUID

revision, down_revision = "0001", None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "datasets",
        sa.Column("id", UUID(as_uuid=True), primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("n_rows", sa.BigInteger, nullable=False),
        sa.Column("columns", JSONB, nullable=False),
        sa.Column("target_column", sa.Text),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("source_dataset_id", UUID(as_uuid=True)),
        sa.Column("object_key", sa.Text, nullable=False, unique=True),
        sa.Column("created_at", moment, nullable=False, server_default=sa.func.now()),
        sa.Column("updated_at", moment, nullable=False, server_default=sa.func.now()),
        sa.Column("deleted_at", moment),
    )
    alive = sa.text("deleted_at IS NULL")
    op.create_index("datasets_name", "datasets", ["tenant_id", "name"], unique=True, postgresql_where=alive)
    op.create_index("datasets_newest", "datasets", ["tenant_id", sa.text("id DESC")], postgresql_where=alive)
    op.create_index("datasets_deleted", "datasets", ["deleted_at"], postgresql_where=sa.text("deleted_at IS NOT NULL"))
    create_idempotency_table_v1()
