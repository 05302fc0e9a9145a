"""What the framework does with errors: every one an answer, a problem or what a protocol says instead."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pynomaly_contracts.problems import FieldProblem
from starlette.exceptions import HTTPException
from starlette.responses import Response

from pynomaly_chassis.problems import HttpProblem, Invalid, MalformedBody, NotFound, ProblemError, problem_response

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
