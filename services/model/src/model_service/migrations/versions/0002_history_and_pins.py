"""Notes and labels of versions, deleted versions, what is signed, the history of aliases, pins.

The release before runs on it: what is new may be left out.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add columns and the table of moves."""
    for column in (
        sa.Column("content_digest", sa.Text),
        sa.Column("notes", sa.Text),
        sa.Column("labels", JSONB),
        sa.Column("updated_at", _MOMENT),
        sa.Column("deleted_at", _MOMENT),
    ):
        op.add_column("model_versions", column)
    gone = sa.text("deleted_at IS NOT NULL")
    op.create_index("model_versions_deleted", "model_versions", ["deleted_at"], postgresql_where=gone)
    op.add_column("model_loads", sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "alias_moves",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("model_id", sa.Uuid, sa.ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
        sa.Column("alias", sa.Text, nullable=False),
        sa.Column("from_version", sa.Integer),
        sa.Column("to_version", sa.Integer),
        sa.Column("moved_at", _MOMENT, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("moved_by", sa.Text),
        sa.Column("reason", sa.Text),
    )
    op.create_index("alias_moves_page", "alias_moves", ["model_id", "alias", "id"])
