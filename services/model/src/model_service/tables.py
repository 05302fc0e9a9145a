"""The tables as queries see them; migrations make them."""

import sqlalchemy as sa
from pynomaly_chassis.flags import flags_table
from pynomaly_chassis.idempotency import idempotency_table
from sqlalchemy.dialects.postgresql import JSONB

METADATA = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)

IDEMPOTENCY_KEYS = idempotency_table(METADATA)
FEATURE_FLAGS = flags_table(METADATA)

MODELS = sa.Table(
    "models",
    METADATA,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("latest_version", sa.Integer, nullable=False),
    sa.Column("created_at", _MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("updated_at", _MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("deleted_at", _MOMENT),
)

VERSIONS = sa.Table(
    "model_versions",
    METADATA,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("model_id", sa.Uuid, sa.ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("object_key", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("n_bytes", sa.BigInteger, nullable=False),
    sa.Column("signed_by", sa.Text, nullable=False),
    sa.Column("manifest", sa.LargeBinary, nullable=False),  # manifest.json: JSONB refuses some of Unicode
    sa.Column("content_digest", sa.Text),  # over the signed files; null of former releases' rows
    sa.Column("notes", sa.Text),
    sa.Column("labels", JSONB),
    sa.Column("created_at", _MOMENT, nullable=False, server_default=sa.func.now()),
    sa.Column("updated_at", _MOMENT),
    sa.Column("deleted_at", _MOMENT),
)

ALIASES = sa.Table(
    "model_aliases",
    METADATA,
    sa.Column("model_id", sa.Uuid, sa.ForeignKey("models.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("alias", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("version_id", sa.Uuid, sa.ForeignKey("model_versions.id", ondelete="CASCADE"), nullable=False),
)

# One row per move, ids in the order of moves. Numbers, not ids: the history outlives a deleted version.
MOVES = sa.Table(
    "alias_moves",
    METADATA,
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

DEFAULTS = sa.Table(
    "default_models",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("model_id", sa.Uuid, sa.ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
    sa.Column("version", sa.Text),  # as it was given; null: the latest
)

# Which versions every replica keeps in memory as far as it can.
LOADS = sa.Table(
    "model_loads",
    METADATA,
    sa.Column("version_id", sa.Uuid, sa.ForeignKey("model_versions.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("model_id", sa.Uuid, sa.ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false()),  # survives an unload
)
