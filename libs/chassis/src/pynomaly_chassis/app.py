"""A FastAPI application as every service wants it."""

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pynomaly_contracts.media import PROBLEM
from pynomaly_contracts.problems import Problem

from pynomaly_chassis.bare import Shortcut
from pynomaly_chassis.health import Vitals, health_router
from pynomaly_chassis.middleware import BodyLimit
from pynomaly_chassis.pressure import guarded
from pynomaly_chassis.problems import ErrorForms, UnsupportedMediaType, install_problem_handlers
from pynomaly_chassis.strict_json import StrictRequest

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
API_PREFIX = "/api/v1"


class JsonRoute(APIRoute):
    """A route whose body, if it takes one, is JSON and nothing else (415), each key once (422)."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_json(request: Request) -> Response:
            content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if content_type != "application/json":
                raise UnsupportedMediaType(f"send application/json, not {content_type or 'an untyped body'!r}")
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_json


def json_router(path: str, tag: str) -> APIRouter:
    """A router under /api/v1 whose routes take JSON."""
    return APIRouter(prefix=API_PREFIX + path, tags=[tag], route_class=JsonRoute)


def create_service(
    vitals: Vitals,
    *,
    title: str,
    description: str,
    routers: list[APIRouter],
    lifespan: Lifespan,
    body_limit: BodyLimit | None = None,
    error_forms: ErrorForms | None = None,
    is_front_door: bool = False,
) -> FastAPI:
    """The application: routes, health, problems, metrics, deadlines, the limit of its load.

    `body_limit` says the most bytes that a path takes; by default MAX_REQUEST_SIZE_MB everywhere.
    `error_forms` says where errors are no problems, but what another protocol has in their place.
    `is_front_door`: /status and /openapi.json speak of the whole suite and come with `routers`.
    """
    settings = vitals.settings
    app = FastAPI(
        title=title,
        description=description,
        version=settings.app_version,
        lifespan=lifespan,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None if is_front_door else "/openapi.json",
    )
    for router in [*routers, health_router(vitals, status=not is_front_door)]:
        app.include_router(router)
    install_problem_handlers(app, error_forms)
    limit = body_limit or (lambda _: settings.max_request_bytes)
    sheds = vitals.resilience.settings.enabled
    app.add_middleware(Shortcut, routes=[route for router in routers for route in router.routes])
    app.add_middleware(
        guarded, settings=settings, metrics=vitals.metrics, body_limit=limit, sheds=sheds, forms=error_forms
    )
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # FastAPI's own way to extend it
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
        )
        _describe_problems(schema)
        app.openapi_schema = schema
    return app.openapi_schema


def _describe_problems(schema: dict[str, Any]) -> None:
    """Every operation may answer with a problem; FastAPI's own 422 is never sent."""
    components = schema.setdefault("components", {}).setdefault("schemas", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components.update(problem.pop("$defs"))
    components["Problem"] = problem
    components.pop("HTTPValidationError", None)
    components.pop("ValidationError", None)
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in schema.get("paths", {}).values():
        for operation in operations.values():
            responses = operation["responses"]
            responses.pop("422", None)
            responses.setdefault("4XX", {"description": "The request is at fault.", "content": content})
            responses.setdefault("5XX", {"description": "The service is at fault.", "content": content})
