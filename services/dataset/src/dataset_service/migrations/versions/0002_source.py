"""How an uploaded file was read."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.add_column("datasets", sa.Column("source", JSONB))
