"""What is refused about jobs, and why they fail."""

from pynomaly_chassis.problems import Conflict, NotFound, ProblemError


class JobNotFound(NotFound):
    """No job has this id."""

    type, title = "/problems/job-not-found", "Job not found"


class JobFinished(Conflict):
    """The job has ended already."""

    type, title = "/problems/job-finished", "Job has ended"


class JobNotFinished(Conflict):
    """The job has not ended yet."""

    type, title = "/problems/job-not-finished", "Job has not ended"


class JobNotRetriable(Conflict):
    """There is nothing to try again."""

    type, title = "/problems/job-not-retriable", "Job is not retried"


class JobNeeded(Conflict):
    """What the job made is still there, and names it."""

    type, title = "/problems/job-needed", "Job is still needed"


class JobQueueFull(ProblemError):
    """The tenant has as many jobs waiting as it may."""

    status, type, title = 429, "/problems/job-queue-full", "Too many jobs wait"


class JobQuarantined(ProblemError):
    """The job's process died too often; it is not tried again."""

    status, type, title = 500, "/problems/job-quarantined", "Job is quarantined"


class JobTimeLimitReached(ProblemError):
    """The work took longer than a job may."""

    status, type, title = 422, "/problems/job-time-limit", "Job takes too long"
