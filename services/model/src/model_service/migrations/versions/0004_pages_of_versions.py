"""An index that has a model's versions in the order of their pages."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the index."""
    op.create_index("model_versions_page", "model_versions", ["model_id", "id"])
