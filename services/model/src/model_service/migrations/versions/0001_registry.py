"""Models, their versions, aliases, the default and the desired loads."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from alembic import op
from pynomaly_chassis.idempotency import create_idempotency_table_v1

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table."""
    create_idempotency_table_v1()
    _create_models()
    _create_versions()
    _create_references()


def _create_models() -> None:
    op.create_table(
        "models",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("latest_version", sa.Integer, nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
        sa.Column("deleted_at", sa.DateTime(timezone=True), index=True),
    )
    live = sa.text("deleted_at IS NULL")
    op.create_index("models_name", "models", ["tenant_id", "name"], unique=True, postgresql_where=live)
    op.create_index("models_page", "models", ["tenant_id", "id"])


def _create_versions() -> None:
    op.create_table(
        "model_versions",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        _reference("model_id", "models.id"),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("object_key", sa.Text, nullable=False, unique=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("n_bytes", sa.BigInteger, nullable=False),
        sa.Column("signed_by", sa.Text, nullable=False),
        sa.Column("manifest", sa.LargeBinary, nullable=False),
        _moment("created_at"),
        sa.UniqueConstraint("model_id", "number"),
    )


def _create_references() -> None:
    op.create_table(
        "model_aliases",
        _reference("model_id", "models.id", primary_key=True),
        sa.Column("alias", sa.Text, primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        _reference("version_id", "model_versions.id", index=True),
    )
    op.create_table(
        "default_models",
        sa.Column("tenant_id", sa.Text, primary_key=True),
        _reference("model_id", "models.id", index=True),
        sa.Column("version", sa.Text),
    )
    op.create_table(
        "model_loads",
        _reference("version_id", "model_versions.id", primary_key=True),
        _reference("model_id", "models.id", index=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
    )


def _moment(name: str) -> sa.Column[datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def _reference(name: str, target: str, *, primary_key: bool = False, index: bool = False) -> sa.Column[UUID]:
    key = sa.ForeignKey(target, ondelete="CASCADE")
    return sa.Column(name, sa.Uuid, key, primary_key=primary_key, nullable=False, index=index)
