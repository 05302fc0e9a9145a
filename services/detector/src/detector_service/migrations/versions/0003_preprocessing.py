"""What a detector makes of raw columns before it learns."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; code that does not know of it leaves the default there."""
    op.add_column("detectors", sa.Column("preprocessing", JSONB, nullable=False, server_default="{}"))
