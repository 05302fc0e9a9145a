"""Tables of the detector service."""

import sqlalchemy as sa
from pynomaly_chassis.flags import flags_table
from pynomaly_chassis.idempotency import idempotency_table
from pynomaly_chassis.jobs import job_tables
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

metadata = sa.MetaData()
FEATURE_FLAGS = flags_table(metadata)
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
    sa.Column("cloned_from", UUID(as_uuid=True)),
    sa.Column("created_at", _MOMENT, nullable=False),
    sa.Column("updated_at", _MOMENT, nullable=False),
    sa.Column("deleted_at", _MOMENT),
)

job_store = job_tables(
    metadata,
    sa.Column("detector_id", UUID(as_uuid=True)),
    work_channel="detector_work",
    progress_channel="detector_progress",
)
jobs = job_store.jobs

# paired: figures of bootstrap samples, as detector_service.evaluation.paired writes them; null where there are none.
evaluations = sa.Table(
    "evaluations",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("detector_id", UUID(as_uuid=True), nullable=False),
    sa.Column("model_id", UUID(as_uuid=True), nullable=False),
    sa.Column("model_version", sa.Text, nullable=False),
    sa.Column("dataset_id", UUID(as_uuid=True), nullable=False),
    sa.Column("dataset_version", sa.Text, nullable=False),
    sa.Column("target_column", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("metrics", JSONB, nullable=False),
    sa.Column("paired", JSONB(none_as_null=True)),
    sa.Column("threshold", sa.Double, nullable=False),
    sa.Column("confusion", JSONB(none_as_null=True)),
    sa.Column("n_rows", sa.BigInteger, nullable=False),
    sa.Column("n_anomalies", sa.BigInteger, nullable=False),
    sa.Column("made_at", _MOMENT, nullable=False),
    sa.Column("job_id", UUID(as_uuid=True), nullable=False),
)

idempotency_keys = idempotency_table(metadata)
