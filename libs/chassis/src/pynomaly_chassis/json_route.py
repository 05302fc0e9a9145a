"""Routes whose body is JSON."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from pynomaly_chassis.problems import UnsupportedMediaType
from pynomaly_chassis.strict_json import StrictRequest


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
