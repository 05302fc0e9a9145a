"""Errors as classes; one place renders them as RFC 9457 problem details."""

import math
import re
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pynomaly_contracts.media import PROBLEM
from pynomaly_contracts.problems import FieldProblem, carried
from starlette.exceptions import HTTPException
from starlette.responses import Response

log = structlog.get_logger()
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


Render = Callable[[ProblemError, str | None], Response]
"""An error, and its request's id, as an answer."""


class ErrorForms:
    """How errors look, by the first path prefix that covers the path; elsewhere they are problems.

    Protocols that others wrote have error bodies of their own.
    """

    def __init__(self, by_prefix: Mapping[str, Render] | None = None) -> None:
        self._by_prefix = tuple((by_prefix or {}).items())

    def of(self, path: str) -> Render:
        """The form of what is answered at this path."""
        for prefix, render in self._by_prefix:
            if path == prefix or path.startswith(prefix + "/"):
                return render
        return problem_response


def install_problem_handlers(app: FastAPI, forms: ErrorForms | None = None) -> None:
    """Make every error of the application a problem, or what `forms` says."""
    forms = forms or ErrorForms()

    def handled_by(problem_of: Callable[[Request, Any], ProblemError]) -> Callable[[Request, Exception], Any]:
        async def handle(request: Request, error: Exception) -> Response:
            return forms.of(request.url.path)(problem_of(request, error), _request_id(request))

        return handle

    app.add_exception_handler(ProblemError, handled_by(lambda _, error: error))
    app.add_exception_handler(RequestValidationError, handled_by(lambda _, error: problem_of_validation(error)))
    app.add_exception_handler(HTTPException, handled_by(_problem_of_http))


def problem_of_validation(error: RequestValidationError) -> ProblemError:
    """What the framework, or a reader of our own, found wrong with a request's fields."""
    if any(item["type"] == "json_invalid" for item in error.errors()):
        reason = error.errors()[0].get("ctx", {}).get("error", "not JSON")
        return MalformedBody(f"the body is not valid JSON: {reason}")
    fields = [_field_problem(item) for item in error.errors()]
    detail = "; ".join(f"{item.field}: {item.message}" for item in fields[:5])
    return Invalid(detail, errors=fields[:50])


def _problem_of_http(request: Request, error: HTTPException) -> ProblemError:
    problem = _problem_of(error, request)
    for name, value in (error.headers or {}).items():
        problem.headers = {**(problem.headers or {}), name: value}
    return problem


def _problem_of(error: HTTPException, request: Request) -> ProblemError:
    if error.status_code == NotFound.status:
        return NotFound(f"there is nothing at {request.url.path}")
    if error.status_code == MalformedBody.status:
        return MalformedBody(str(error.detail))
    return HttpProblem(error.status_code, f"{request.method} {request.url.path}: {error.detail}", str(error.detail))


def _request_id(request: Request) -> str | None:
    return request.scope.get("request_id")


def _field_problem(item: dict[str, Any]) -> FieldProblem:
    where = [str(part) for part in item["loc"]]
    value = None if item["type"] == "missing" else item.get("input")
    return FieldProblem(field=".".join(where), message=_sentence(item), value=value)


def _sentence(item: dict[str, Any]) -> str:
    if item["type"] == "extra_forbidden":
        return "unknown field; check its spelling or leave it out"
    return re.sub(r"^Value error, ", "", str(item["msg"]))


def _shown(value: Any) -> Any:
    """A value as JSON can carry it: NaN and infinities as words, long things cut."""
    if value is None or isinstance(value, bool | int):
        return value if not isinstance(value, int) or abs(value) < 2**53 else str(value)[:MAX_VALUE_CHARS]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    text = carried(value[: MAX_VALUE_CHARS + 1] if isinstance(value, str) else _BEGINNING.repr(value))
    return text if len(text) <= MAX_VALUE_CHARS else text[:MAX_VALUE_CHARS] + "…"
