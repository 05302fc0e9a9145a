"""A FastAPI application as every service wants it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pynomaly_contracts.media import PROBLEM
from pynomaly_contracts.problems import Problem

from pynomaly_chassis.admin import ADMIN_PATH, Admin, admin_router
from pynomaly_chassis.bare import Shortcut
from pynomaly_chassis.configuration import Live
from pynomaly_chassis.cors import with_cors
from pynomaly_chassis.health import Vitals, health_router
from pynomaly_chassis.json_route import JsonRoute
from pynomaly_chassis.middleware import BodyLimit
from pynomaly_chassis.pressure import guarded
from pynomaly_chassis.problem_handlers import ErrorForms, install_problem_handlers

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
API_PREFIX = "/api/v1"
ADMIN_BYTES = 64 * 1024


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
    admin: Admin[Any] | None = None,
    body_limit: BodyLimit | None = None,
    error_forms: ErrorForms | None = None,
    is_front_door: bool = False,
) -> FastAPI:
    """The application: routes, health, problems, metrics, deadlines, the limit of its load.

    `admin`: what is behind the admin routes.
    `body_limit` says the most bytes that a path takes; by default MAX_REQUEST_SIZE_MB everywhere.
    `error_forms` says where errors are no problems, but what another protocol has in their place.
    `is_front_door`: /status and /openapi.json speak of the whole suite and come with `routers`, as the admin routes do.
    """
    settings = vitals.settings
    app = FastAPI(
        title=title,
        description=description,
        version=settings.app_version,
        lifespan=lifespan if admin is None else _with_admin(lifespan, admin),
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None if is_front_door else "/openapi.json",
    )
    own = [health_router(vitals, status=not is_front_door)]
    if admin is not None and not is_front_door:
        own.append(admin_router(admin))
    for router in [*routers, *own]:
        app.include_router(router)
    install_problem_handlers(app, error_forms)
    live = Live(settings) if admin is None else admin.live
    limit = _limited(body_limit or (lambda _: live.now.max_request_bytes))
    sheds = vitals.resilience.settings.enabled
    app.add_middleware(Shortcut, routes=[route for router in routers for route in router.routes])
    app.add_middleware(
        guarded, settings=settings, metrics=vitals.metrics, body_limit=limit, sheds=sheds, forms=error_forms
    )
    if settings.cors_enabled and not is_front_door:
        app.add_middleware(with_cors, settings=settings)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign] # FastAPI's own way to extend it
    return app


def _limited(body_limit: BodyLimit) -> BodyLimit:
    return lambda path: ADMIN_BYTES if path.startswith(ADMIN_PATH) else body_limit(path)


def _with_admin(lifespan: Lifespan, admin: Admin[Any]) -> Lifespan:
    @asynccontextmanager
    async def both(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan(app), admin.running():
            yield

    return both


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
