"""Errors as classes; one place renders them as RFC 9457 problem details.

Without the framework: what computes in a process of its own names its errors too, and reads no FastAPI for it.
"""

import math
import reprlib
from typing import Any, ClassVar

import orjson
from pynomaly_contracts.media import PROBLEM
from pynomaly_contracts.problems import FieldProblem, carried
from starlette.exceptions import HTTPException
from starlette.responses import Response

MAX_VALUE_CHARS = 200
# A body may be 64 MiB of one wrong list: only its beginning is ever written out.
_BEGINNING = reprlib.Repr()
_BEGINNING.maxlist = _BEGINNING.maxdict = 20
_BEGINNING.maxstring = _BEGINNING.maxother = MAX_VALUE_CHARS


class ProblemError(HTTPException):
    """An error with a stable type. Subclass it, set the class attributes, raise it with a sentence.

    An HTTPException, so that FastAPI lets it through while it reads a body.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "about:blank"
    title: ClassVar[str] = "Internal error"

    def __init__(
        self,
        detail: str,
        *,
        errors: list[FieldProblem] | None = None,
        retry_after_s: float | None = None,
        **members: Any,
    ) -> None:
        headers = {} if retry_after_s is None else {"retry-after": str(max(1, math.ceil(retry_after_s)))}
        super().__init__(self.status, carried(detail), headers)
        self.errors = errors or []
        self.members = members

    def __str__(self) -> str:
        return str(self.detail)


class MalformedBody(ProblemError):
    """The body is not what its content type says."""

    status, type, title = 400, "/problems/malformed-body", "Body cannot be read"


class NotFound(ProblemError):
    """Nothing has this id or name."""

    status, type, title = 404, "/problems/not-found", "Not found"


class Conflict(ProblemError):
    """The request does not fit the present state."""

    status, type, title = 409, "/problems/conflict", "Conflict"


class NameTaken(Conflict):
    """Names are unique per tenant."""

    type, title = "/problems/name-taken", "Name is taken"


class BodyTooLarge(ProblemError):
    """The body is over its cap."""

    status, type, title = 413, "/problems/body-too-large", "Body is too large"


class UnsupportedMediaType(ProblemError):
    """This route does not read that content type."""

    status, type, title = 415, "/problems/unsupported-media-type", "Content type is not supported"


class Invalid(ProblemError):
    """A field is wrong. Use `Invalid.field(...)` for one field."""

    status, type, title = 422, "/problems/validation", "Request is not valid"

    @classmethod
    def field(cls, field: str, value: Any, message: str) -> "Invalid":
        return cls(f"{field}: {message}", errors=[FieldProblem(field=field, message=message, value=value)])


class Unavailable(ProblemError):
    """Something this service needs does not answer; trying again later helps."""

    status, type, title = 503, "/problems/unavailable", "Temporarily unavailable"


class HttpProblem(ProblemError):
    """What the framework refuses by itself, such as a method that a path does not have."""

    def __init__(self, status: int, detail: str, title: str) -> None:
        self.status, self.type, self.title = status, f"/problems/http-{status}", title  # type: ignore[misc] # one object's own
        super().__init__(detail)


def problem_response(error: ProblemError, request_id: str | None = None) -> Response:
    """The error as application/problem+json."""
    body = {
        "type": error.type,
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": request_id,
        "errors": [{**item.model_dump(), "value": _shown(item.value)} for item in error.errors],
        **error.members,
    }
    content = orjson.dumps(body, default=str, option=orjson.OPT_NON_STR_KEYS)
    return Response(content, error.status, dict(error.headers or {}), PROBLEM)


def problem_document(error: ProblemError, request_id: str | None = None) -> dict[str, Any]:
    """The error as it is kept where no request waits for it: the body of the answer it would have been."""
    document: dict[str, Any] = orjson.loads(problem_response(error, request_id).body)
    return document


def _shown(value: Any) -> Any:
    """A value as JSON can carry it: NaN and infinities as words, long things cut."""
    if value is None or isinstance(value, bool | int):
        return value if not isinstance(value, int) or abs(value) < 2**53 else str(value)[:MAX_VALUE_CHARS]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    text = carried(value[: MAX_VALUE_CHARS + 1] if isinstance(value, str) else _BEGINNING.repr(value))
    return text if len(text) <= MAX_VALUE_CHARS else text[:MAX_VALUE_CHARS] + "…"
