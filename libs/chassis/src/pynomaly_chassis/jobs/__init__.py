"""Durable jobs in a service's own PostgreSQL: asked for in a request's transaction, done by workers."""

from pynomaly_chassis.jobs.attempt import Attempt, Report, Settlement, Task, Terms
from pynomaly_chassis.jobs.bells import Notifications, wait_for
from pynomaly_chassis.jobs.claiming import MAX_CRASHES
from pynomaly_chassis.jobs.places import Place, places
from pynomaly_chassis.jobs.problems import (
    JobFinished,
    JobNeeded,
    JobNotFinished,
    JobNotFound,
    JobNotRetriable,
    JobQuarantined,
    JobQueueFull,
    JobTimeLimitReached,
)
from pynomaly_chassis.jobs.queue import JobQueue, Lease, Standing
from pynomaly_chassis.jobs.retention import forget_ended
from pynomaly_chassis.jobs.rows import JobRows
from pynomaly_chassis.jobs.tables import JobTables, create_job_companions_v1, create_job_tables_v1, job_tables
from pynomaly_chassis.jobs.worker import Worker, sweep_folders

__all__ = [
    "MAX_CRASHES",
    "Attempt",
    "JobFinished",
    "JobNeeded",
    "JobNotFinished",
    "JobNotFound",
    "JobNotRetriable",
    "JobQuarantined",
    "JobQueue",
    "JobQueueFull",
    "JobRows",
    "JobTables",
    "JobTimeLimitReached",
    "Lease",
    "Notifications",
    "Place",
    "Report",
    "Settlement",
    "Standing",
    "Task",
    "Terms",
    "Worker",
    "create_job_companions_v1",
    "create_job_tables_v1",
    "forget_ended",
    "job_tables",
    "places",
    "sweep_folders",
    "wait_for",
]
