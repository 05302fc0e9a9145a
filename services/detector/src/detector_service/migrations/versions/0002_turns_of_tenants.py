"""An index that tells when a tenant's last job began."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the index."""
    op.create_index("jobs_turns", "jobs", ["tenant_id", "started_at"])
