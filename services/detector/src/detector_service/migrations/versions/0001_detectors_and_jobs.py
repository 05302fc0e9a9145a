"""Detectors, jobs, idempotency keys."""

import sqlalchemy as sa
from alembic import op
from pynomaly_chassis.idempotency import create_idempotency_table_v1
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

_MOMENT = sa.DateTime(timezone=True)
_UUID = postgresql.UUID(as_uuid=True)


def upgrade() -> None:
    """Make the tables."""
    _create_detectors()
    _create_jobs()
    create_idempotency_table_v1()


def _create_detectors() -> None:
    op.create_table(
        "detectors",
        sa.Column("id", _UUID, primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("algorithm", sa.Text, nullable=False),
        sa.Column("contamination", sa.Double, nullable=False),
        sa.Column("parameters", postgresql.JSONB, nullable=False),
        sa.Column("feature_columns", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("model_id", _UUID),
        sa.Column("latest_version", sa.Text),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("deleted_at", _MOMENT),
    )
    alive = sa.text("deleted_at IS NULL")
    op.create_index("detectors_name", "detectors", ["tenant_id", "name"], unique=True, postgresql_where=alive)
    op.create_index("detectors_newest", "detectors", ["tenant_id", "id"], postgresql_where=alive)


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", _UUID, primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("progress", sa.Double, nullable=False),
        sa.Column("detector_id", _UUID),
        sa.Column("spec", postgresql.JSONB, nullable=False),
        sa.Column("headers", postgresql.JSONB, nullable=False),
        sa.Column("result", postgresql.JSONB),
        sa.Column("problem", postgresql.JSONB),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("excused", sa.Integer, nullable=False),
        sa.Column("postponed", sa.Integer, nullable=False),
        sa.Column("last_crash", sa.Text),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("run_after", _MOMENT, nullable=False),
        sa.Column("leased_until", _MOMENT),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("started_at", _MOMENT),
        sa.Column("finished_at", _MOMENT),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="jobs_state_is_known"
        ),
        sa.CheckConstraint("state <> 'running' OR leased_until IS NOT NULL", name="jobs_running_is_leased"),
    )
    op.create_index("jobs_newest", "jobs", ["tenant_id", "id"])
    waiting = sa.text("state IN ('queued', 'running')")
    op.create_index("jobs_unfinished", "jobs", ["run_after", "id"], postgresql_where=waiting)
