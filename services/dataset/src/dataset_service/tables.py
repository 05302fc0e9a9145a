"""The dataset service's tables."""

import sqlalchemy as sa
from pynomaly_chassis.idempotency import idempotency_table
from pynomaly_chassis.jobs import job_tables
from sqlalchemy.dialects.postgresql import JSONB, UUID

metadata = sa.MetaData()
_moment = sa.DateTime(timezone=True)

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("id", UUID(as_uuid=True), primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("description", sa.Text),
    sa.Column("version", sa.Text, nullable=False),
    sa.Column("n_rows", sa.BigInteger, nullable=False),
    sa.Column("columns", JSONB, nullable=False),
    sa.Column("target_column", sa.Text),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("source_dataset_id", UUID(as_uuid=True)),
    sa.Column("source", JSONB(none_as_null=True)),
    sa.Column("object_key", sa.Text, nullable=False),
    sa.Column("made_by", sa.Text),
    sa.Column("version_created_at", _moment),
    sa.Column("created_at", _moment, nullable=False, server_default=sa.func.now()),
    sa.Column("updated_at", _moment, nullable=False, server_default=sa.func.now()),
    sa.Column("deleted_at", _moment),
)
# What `datasets` said before a newer version took its place.
earlier_versions = sa.Table(
    "earlier_versions",
    metadata,
    sa.Column("dataset_id", UUID(as_uuid=True), sa.ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("version", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("n_rows", sa.BigInteger, nullable=False),
    sa.Column("columns", JSONB, nullable=False),
    sa.Column("target_column", sa.Text),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("source", JSONB(none_as_null=True)),
    sa.Column("object_key", sa.Text, nullable=False),
    sa.Column("made_by", sa.Text),
    sa.Column("created_at", _moment, nullable=False),
)
NAME_INDEX = "datasets_name"
idempotency_keys = idempotency_table(metadata)
# Imports. url: without its query; spec: all that was asked for, with the query until the job has ended.
IMPORTS = job_tables(
    metadata,
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("url", sa.Text),
    sa.Column("n_bytes", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("total_bytes", sa.BigInteger),
    sa.Column("n_rows", sa.BigInteger),
    work_channel="dataset_work",
    progress_channel="dataset_progress",
)
