"""The tiny service's tables."""

import sqlalchemy as sa
from alembic import op
from pynomaly_chassis.idempotency import create_idempotency_table_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_idempotency_table_v1()
    op.create_table("notes", sa.Column("id", sa.Uuid, primary_key=True), sa.Column("text", sa.Text))
