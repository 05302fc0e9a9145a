"""The tables as queries see them; migrations make them."""

import sqlalchemy as sa
from pynomaly_chassis.idempotency import idempotency_table

METADATA = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)

IDEMPOTENCY_KEYS = idempotency_table(METADATA)

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
    sa.Column("created_at", _MOMENT, nullable=False, server_default=sa.func.now()),
)

ALIASES = sa.Table(
    "model_aliases",
    METADATA,
    sa.Column("model_id", sa.Uuid, sa.ForeignKey("models.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("alias", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("version_id", sa.Uuid, sa.ForeignKey("model_versions.id", ondelete="CASCADE"), nullable=False),
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
)
