"""Durable jobs in a service's own PostgreSQL: asked for in a request's transaction, done by workers."""

from pynomaly_chassis.jobs.bells import Notifications, wait_for
from pynomaly_chassis.jobs.claiming import MAX_CRASHES
from pynomaly_chassis.jobs.problems import JobFinished, JobNotFound, JobQuarantined
from pynomaly_chassis.jobs.queue import JobQueue, Lease, Standing
from pynomaly_chassis.jobs.rows import JobRows
from pynomaly_chassis.jobs.tables import JobTables, create_job_companions_v1, create_job_tables_v1, job_tables

__all__ = [
    "MAX_CRASHES",
    "JobFinished",
    "JobNotFound",
    "JobQuarantined",
    "JobQueue",
    "JobRows",
    "JobTables",
    "Lease",
    "Notifications",
    "Standing",
    "create_job_companions_v1",
    "create_job_tables_v1",
    "job_tables",
    "wait_for",
]
