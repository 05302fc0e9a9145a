"""How a detector's threshold is chosen."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; code that does not know of it leaves the default there."""
    op.add_column("detectors", sa.Column("threshold", JSONB, nullable=False, server_default="{}"))
