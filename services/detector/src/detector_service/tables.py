"""Tables of the detector service."""

import sqlalchemy as sa
from pynomaly_chassis.idempotency import idempotency_table
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

metadata = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)

detectors = sa.Table(
    "detectors",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("algorithm", sa.Text, nullable=False),
    sa.Column("contamination", sa.Double, nullable=False),
    sa.Column("parameters", JSONB, nullable=False),
    sa.Column("feature_columns", ARRAY(sa.Text), nullable=False),
    sa.Column("preprocessing", JSONB, nullable=False, server_default="{}"),
    sa.Column("threshold", JSONB, nullable=False, server_default="{}"),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("model_id", UUID(as_uuid=True)),
    sa.Column("latest_version", sa.Text),
    sa.Column("created_at", _MOMENT, nullable=False),
    sa.Column("updated_at", _MOMENT, nullable=False),
    sa.Column("deleted_at", _MOMENT),
)

# attempts: raised by each claim; the number of an attempt is its fencing token.
# excused: attempts that ended without fault (handed back, peer away); attempts - excused is the count of crashes.
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("progress", sa.Double, nullable=False),
    sa.Column("detector_id", UUID(as_uuid=True)),
    sa.Column("spec", JSONB, nullable=False),
    sa.Column("headers", JSONB, nullable=False),
    sa.Column("result", JSONB(none_as_null=True)),
    sa.Column("problem", JSONB(none_as_null=True)),
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
)

idempotency_keys = idempotency_table(metadata)
