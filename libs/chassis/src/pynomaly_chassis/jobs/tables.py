"""The tables of a service that has jobs.

jobs.attempts: raised by each claim; the number of an attempt is its fencing token.
jobs.excused: attempts that ended without fault (handed back, peer away); attempts - excused is the count of crashes.
job_turns.turn: when a tenant was last served, as a number that only grows.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

_MOMENT = sa.DateTime(timezone=True)


@dataclass(frozen=True)
class JobTables:
    """A service's job tables, and the channels that tell of them.

    work_channel: rung when there may be something for a worker: a job was queued or is to be cancelled.
    progress_channel: rung with a job's id when what its owner sees has changed.
    """

    jobs: sa.Table
    turns: sa.Table
    workers: sa.Table
    work_channel: str
    progress_channel: str

    @property
    def own_names(self) -> list[str]:
        """The columns of jobs that only this service has."""
        common = {column.name for column in _job_columns_v1()}
        return [name for name in self.jobs.c.keys() if name not in common]  # noqa: SIM118 - no dict's keys


def job_tables(
    metadata: sa.MetaData, *own: sa.Column[Any], work_channel: str = "job_work", progress_channel: str = "job_progress"
) -> JobTables:
    """The tables as queries see them; `create_job_tables_v1` makes them. own: further columns of the service's jobs."""
    jobs = sa.Table("jobs", metadata, *_job_columns_v1(), *own)
    turns = sa.Table("job_turns", metadata, *_turn_columns_v1())
    workers = sa.Table("job_workers", metadata, *_worker_columns_v1())
    return JobTables(jobs, turns, workers, work_channel, progress_channel)


def create_job_tables_v1(*own: sa.Column[Any]) -> None:
    """Called by a service's migration. Never changed: a change is a v2 beside it."""
    from alembic import op  # noqa: PLC0415 - 10 MB that serving does without

    op.create_table(
        "jobs",
        *_job_columns_v1(),
        *own,
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="jobs_state_is_known"
        ),
        sa.CheckConstraint("state <> 'running' OR leased_until IS NOT NULL", name="jobs_running_is_leased"),
    )
    op.create_index("jobs_newest", "jobs", ["tenant_id", "id"])
    create_job_companions_v1()


def create_job_companions_v1() -> None:
    """What stands beside the table of jobs: its indexes, the turns of tenants, the workers."""
    from alembic import op  # noqa: PLC0415 - 10 MB that serving does without

    queued, running = sa.text("state = 'queued'"), sa.text("state = 'running'")
    hopeless = sa.text("state = 'queued' AND (cancel_requested OR attempts - excused >= 3)")
    op.create_index("jobs_queued", "jobs", ["tenant_id", "run_after", "id"], postgresql_where=queued)
    op.create_index("jobs_running", "jobs", ["tenant_id", "leased_until"], postgresql_where=running)
    op.create_index("jobs_hopeless", "jobs", ["id"], postgresql_where=hopeless)
    op.create_index("jobs_ended", "jobs", ["finished_at"], postgresql_where=sa.text("finished_at IS NOT NULL"))
    op.create_index("jobs_by_state", "jobs", ["tenant_id", "state", "id"])
    op.create_index("jobs_by_kind", "jobs", ["tenant_id", "kind", "id"])
    was_retried = sa.text("retry_of IS NOT NULL")
    op.create_index("jobs_retry_of", "jobs", ["retry_of"], unique=True, postgresql_where=was_retried)
    op.create_table("job_turns", *_turn_columns_v1())
    op.create_table("job_workers", *_worker_columns_v1())


def _job_columns_v1() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", UUID(as_uuid=True), primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("progress", sa.Double, nullable=False),
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
        *job_columns_of_retries_and_limits_v1(),
    ]


def job_columns_of_retries_and_limits_v1() -> list[sa.Column[Any]]:
    """What a table of jobs that is older than these lacks."""
    return [sa.Column("retry_of", UUID(as_uuid=True)), sa.Column("time_limit_s", sa.Double)]


def _turn_columns_v1() -> list[sa.Column[Any]]:
    return [
        sa.Column("tenant_id", sa.Text, primary_key=True),
        sa.Column("turn", sa.BigInteger, nullable=False, index=True),
    ]


def _worker_columns_v1() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", UUID(as_uuid=True), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("lanes", sa.Integer, nullable=False),
        sa.Column("busy", sa.Integer, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
    ]
