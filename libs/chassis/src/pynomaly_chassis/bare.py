"""Routes that cost less than the framework's own work would: found first, and called with the request alone."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from pynomaly_chassis.problem_handlers import problem_of_validation


class BareRoute(APIRoute):
    """A documented route that is called with the request alone: no parameters, no dependencies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


class Shortcut:
    """Stands before the framework and answers bare routes itself; everything else goes on.

    What they raise goes to whoever stands before: a ProblemError, as everywhere.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        bare = [route for route in routes if isinstance(route, BareRoute)]
        self._fixed = {
            (method, route.path): route for route in bare for method in _methods(route) if not _varies(route)
        }
        self._varied = [route for route in bare if _varies(route)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._found(scope) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        answer: Callable[[Request], Awaitable[Response]] = route.endpoint
        try:
            response = await answer(Request(scope, receive, send))
        except RequestValidationError as error:
            raise problem_of_validation(error) from error
        await response(scope, receive, send)

    def _found(self, scope: Scope) -> BareRoute | None:
        method, path = scope["method"], scope["path"]
        fixed = self._fixed.get((method, path))
        if fixed is not None:
            scope["path_params"] = {}
            return fixed
        for route in self._varied:
            match = route.path_regex.match(path) if method in _methods(route) else None
            if match is not None:
                convertors = route.param_convertors
                scope["path_params"] = {
                    name: convertors[name].convert(text) for name, text in match.groupdict().items()
                }
                return route
        return None


def _varies(route: BareRoute) -> bool:
    return "{" in route.path


def _methods(route: BareRoute) -> set[str]:
    return route.methods or set()
