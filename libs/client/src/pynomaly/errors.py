"""What can go wrong.

PynomalyError
├── InvalidInput              what was given here cannot be sent (also a ValueError)
├── ConnectionFailed          nobody answers at the URL
│   └── TimedOut              somebody is there, but did not answer in time
├── ArtefactRefused           what was downloaded is not what was registered, or not signed by a trusted key
├── UnexpectedAnswer          what answers does not speak Pynomaly's API
├── ApiError                  the suite refused: .status, .problem
│   ├── ValidationFailed      400, 415, 422
│   ├── NotAuthenticated      401
│   ├── NotAllowed            403
│   ├── NotFound              404
│   ├── Conflict              409
│   ├── TooLarge              413
│   ├── TooManyRequests       429: .retry_after_s
│   └── Unavailable           502, 503, 504: .retry_after_s
├── JobFailed                 the job ended with a problem: .job, .problem
├── JobCancelled              the job was cancelled: .job
└── StillRunning              waited long enough; the job goes on (also a TimeoutError)
"""

from collections.abc import Mapping
from http.client import responses

from pydantic import ValidationError
from pynomaly_contracts.imports import Import
from pynomaly_contracts.jobs import Job
from pynomaly_contracts.problems import Problem


class PynomalyError(Exception):
    """Anything that the SDK raises on purpose."""


class InvalidInput(PynomalyError, ValueError):
    """What was given cannot be sent. The message names the field, the value and what would be right."""

    @classmethod
    def of(cls, error: ValidationError) -> "InvalidInput":
        """From pydantic's findings, each as 'field: value: what is wrong'."""
        lines = []
        for finding in error.errors(include_url=False):
            field = ".".join(str(part) for part in finding["loc"]) or "request"
            lines.append(
                f"{field}: {shortened(repr(finding['input']))}: {finding['msg'].removeprefix('Value error, ')}"
            )
        return cls("; ".join(lines))


class ConnectionFailed(PynomalyError):
    """Nobody answers at `url`."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"no Pynomaly suite answers at {url} ({reason}). Start one with `pynomaly up` (in a checkout: "
            "`make run`), or name another by PYNOMALY_URL or Client(url=...)"
        )
        self.url = url


class TimedOut(ConnectionFailed):
    """The answer did not come in time."""

    def __init__(self, url: str, path: str, timeout_s: float) -> None:
        Exception.__init__(
            self, f"{url}{path} gave no answer within {timeout_s:g} s; Client(timeout_s=...) gives it longer"
        )
        self.url = url


class ArtefactRefused(PynomalyError):
    """A downloaded artefact is not what it should be; no file is left of it."""


class UnexpectedAnswer(PynomalyError):
    """An answer that does not follow the contract."""


class ApiError(PynomalyError):
    """The suite answered with an error.

    status: HTTP status. problem: the body, RFC 9457. retry_after_s: when to come again, where the answer says it.
    """

    def __init__(self, problem: Problem, *, retry_after_s: float | None = None) -> None:
        super().__init__(described(problem))
        self.status = problem.status
        self.problem = problem
        self.retry_after_s = retry_after_s


class ValidationFailed(ApiError):
    """400, 415, 422: the request is not right; `problem.errors` names each field."""


class NotAuthenticated(ApiError):
    """401: who is asking?"""


class NotAllowed(ApiError):
    """403: known, but not allowed."""


class NotFound(ApiError):
    """404: no such thing."""


class Conflict(ApiError):
    """409: not in this state; often a name that is taken."""


class TooLarge(ApiError):
    """413: the body is over the limit."""


class TooManyRequests(ApiError):
    """429: slower, please."""


class Unavailable(ApiError):
    """502, 503, 504: not now."""


class JobFailed(PynomalyError):
    """The job ended with a problem."""

    def __init__(self, job: Job | Import) -> None:
        self.job = job
        self.problem = job.problem
        why = described(job.problem) if job.problem else "no reason was given"
        super().__init__(f"{job.kind} job {job.id} failed: {why}")


class JobCancelled(PynomalyError):
    """Somebody cancelled the job."""

    def __init__(self, job: Job | Import) -> None:
        self.job = job
        super().__init__(f"{job.kind} job {job.id} was cancelled at stage '{job.stage}'")


class StillRunning(PynomalyError, TimeoutError):
    """The job had not ended when the time given to wait() had passed; it goes on."""

    def __init__(self, job: Job | Import, timeout_s: float) -> None:
        self.job = job
        super().__init__(f"{job.kind} job {job.id} is {job.state} after {timeout_s:g} s and goes on; wait again for it")


BY_STATUS: Mapping[int, type[ApiError]] = {
    400: ValidationFailed,
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    415: ValidationFailed,
    422: ValidationFailed,
    429: TooManyRequests,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def api_error(status: int, body: bytes, retry_after_s: float | None = None) -> ApiError:
    """The exception for an error answer. A body that is no problem (a proxy's page) becomes one."""
    try:
        problem = Problem.model_validate_json(body)
    except ValidationError:
        title = responses.get(status, "Error")
        text = body.decode("utf-8", "replace").strip()
        problem = Problem(type="about:blank", title=title, status=status, detail=shortened(text, 200))
    return BY_STATUS.get(status, ApiError)(problem, retry_after_s=retry_after_s)


def described(problem: Problem) -> str:
    """A problem in one line: title, detail and each field with its value, unless the detail says it."""
    repeated = problem.detail.lower().startswith(problem.title.lower())
    parts = [problem.detail if repeated else f"{problem.title}: {problem.detail}" if problem.detail else problem.title]
    for wrong in problem.errors:
        if wrong.message in problem.detail:
            continue
        value = "" if wrong.value is None else f" (was {shortened(repr(wrong.value))})"
        parts.append(f"{wrong.field}: {wrong.message}{value}")
    return "; ".join(parts)


def shortened(text: str, longest: int = 60) -> str:
    """At most `longest` characters, marked where cut."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
