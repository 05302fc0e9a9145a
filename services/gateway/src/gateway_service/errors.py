"""The gateway's problems."""

from pynomaly_chassis.problems import ProblemError, Unavailable
from pynomaly_contracts.routes import Service
from pynomaly_resilience import CallFailed, CircuitOpen, PeerUnreachable


class ServiceUnavailable(Unavailable):
    """The owner of the path cannot be reached, or its circuit is open."""

    type, title = "/problems/service-unavailable", "Service is unavailable"


class ServiceTimeout(ProblemError):
    """The owner of the path did not answer in time."""

    status, type, title = 504, "/problems/service-timeout", "Service did not answer in time"


def problem_of(error: CallFailed, owner: Service) -> ProblemError:
    """What the client is told of a call that got no answer."""
    reached = not isinstance(error, CircuitOpen | PeerUnreachable)
    if reached and error.outcome in ("attempt_timeout", "deadline_exceeded"):
        return ServiceTimeout(f"the {owner} service did not answer in time", service=owner)
    detail = f"the {owner} service does not answer now; try again after the time in Retry-After"
    return ServiceUnavailable(detail, retry_after_s=error.retry_after_s, service=owner)
