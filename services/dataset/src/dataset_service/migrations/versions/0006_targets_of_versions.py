"""Which column is the target of an earlier version; until now that of the newest one was taken for it.

The first databases with imports have the column already.
"""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0006", "0005"


def upgrade() -> None:
    """Add the column, with what was taken for it."""
    known = sa.inspect(op.get_bind()).get_columns("earlier_versions")
    if any(column["name"] == "target_column" for column in known):
        return
    op.add_column("earlier_versions", sa.Column("target_column", sa.Text))
    op.execute("""
        UPDATE earlier_versions AS earlier SET target_column = datasets.target_column FROM datasets
        WHERE datasets.id = earlier.dataset_id
          AND earlier.columns @> jsonb_build_array(jsonb_build_object('name', datasets.target_column))
    """)
