"""An index of names by their first letters; that of whole names does it only where the database sorts by bytes."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the index."""
    op.create_index(
        "datasets_name_prefix",
        "datasets",
        ["tenant_id", sa.text("name text_pattern_ops")],
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
