"""What is refused about jobs, and why they fail."""

from pynomaly_chassis.problems import Conflict, NotFound, ProblemError


class JobNotFound(NotFound):
    """No job has this id."""

    type, title = "/problems/job-not-found", "Job not found"


class JobFinished(Conflict):
    """The job has ended already."""

    type, title = "/problems/job-finished", "Job has ended"


class JobQuarantined(ProblemError):
    """The job's process died too often; it is not tried again."""

    status, type, title = 500, "/problems/job-quarantined", "Job is quarantined"


class JobTimeLimitReached(ProblemError):
    """The work took longer than a job may."""

    status, type, title = 422, "/problems/job-time-limit", "Job takes too long"
