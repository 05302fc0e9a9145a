"""The gateway's tables."""

import sqlalchemy as sa
from pynomaly_chassis.flags import flags_table
from sqlalchemy.dialects import postgresql

METADATA = sa.MetaData()
FEATURE_FLAGS = flags_table(METADATA)

# The last OpenAPI document that each service gave: the docs stay whole while one is down.
DOCUMENTS = sa.Table(
    "service_documents",
    METADATA,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("document", postgresql.JSONB, nullable=False),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
)
