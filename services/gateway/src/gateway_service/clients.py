"""Typed questions to the services behind the door."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import aiohttp
import structlog
from pydantic import TypeAdapter, ValidationError
from pynomaly_chassis.problems import problem_document
from pynomaly_chassis.resilience import Calls
from pynomaly_chassis.travelling import carried
from pynomaly_contracts.admin import FLAGS_PATH, RELOAD_PATH, ServiceResult
from pynomaly_contracts.health import Status
from pynomaly_contracts.media import JSON
from pynomaly_contracts.problems import Problem
from pynomaly_contracts.routes import ROUTES, Service
from pynomaly_resilience import BreakerPolicy, CallFailed, CallPolicy, Resilience, ResilientSession

from gateway_service.errors import problem_of

BEHIND = (Service.DATASET, Service.DETECTOR, Service.MODEL)
ASK = CallPolicy(attempt_timeout_s=1.0, total_timeout_s=2.1, attempts=2)
# An operator's word is given once: who asked sees what came of it.
ADMIN = CallPolicy(attempt_timeout_s=20.0, total_timeout_s=20.0, attempts=1)
STATUS, OPENAPI = "/status", "/openapi.json"
# Short, because circuits stand behind one another, and a service is only back when all of them have closed again.
_BREAKER = BreakerPolicy(open_s=1.0, open_max_s=4.0)
# Connections alone are tried again here: the client outside knows whether it wants more.
QUICK = CallPolicy(attempt_timeout_s=30.0, total_timeout_s=61.0, attempts=2, idle_timeout_s=60.0, breaker=_BREAKER)
# A large body may take as long as its sender needs; a silence in the answer is bounded instead.
UPLOAD = CallPolicy(
    attempt_timeout_s=3600.0,
    total_timeout_s=3600.0,
    attempts=1,
    idle_timeout_s=60.0,
    is_transfer=True,
    breaker=_BREAKER,
)
CALLS: Calls = (
    {(service.value, path): ASK for service in BEHIND for path in (STATUS, OPENAPI)}
    | {(service.value, path): ADMIN for service in BEHIND for path in (RELOAD_PATH, FLAGS_PATH)}
    | {(route.owner.value, route.prefix): QUICK for route in ROUTES}
)
UPLOADS: Calls = {(route.owner.value, route.prefix): UPLOAD for route in ROUTES}
OK = 200
_DOCUMENT = TypeAdapter(dict[str, Any])
Answer = TypeVar("Answer")
log = structlog.get_logger()


# What aiohttp would add by itself; a proxy hands on what the client sent and nothing else.
_NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Services:
    """The way to the services behind the door: their addresses, and a session while the application runs."""

    def __init__(self, urls: Mapping[Service, str], resilience: Resilience) -> None:
        self.urls, self._resilience = urls, resilience
        self.session: ResilientSession
        self.http: aiohttp.ClientSession

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Within it there is a `session`, and below it, for what is no request, `http`."""
        async with _http() as self.http, ResilientSession(self.http, resilience=self._resilience) as self.session:
            yield


def _http() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_NOT_ADDED,
    )


class ServiceClient:
    """Asks any service what all services can be asked."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def status(self, service: Service) -> Status | None:
        """Its own view of itself; None when it does not answer, or what is none."""
        return await self._get(service, STATUS, Status.model_validate_json)

    async def openapi(self, service: Service) -> dict[str, Any] | None:
        """Its OpenAPI document; None when it does not answer, or what is none."""
        return await self._get(service, OPENAPI, _DOCUMENT.validate_json)

    async def admin(
        self, service: Service, method: str, path: str, token: str, body: bytes | None = None
    ) -> ServiceResult:
        """What it answers to an operator; a failure is told, never raised."""
        headers = {**carried(), "authorization": f"Bearer {token}"} | ({"content-type": JSON} if body else {})
        call = self._services.session.request(
            method,
            self._services.urls[service] + path,
            operation=path,
            dependency=service,
            policy=ADMIN,
            headers=headers,
            data=body,
        )
        try:
            async with call as answer:
                content = await answer.read()
                if answer.status == OK:
                    return ServiceResult(service=service, outcome="done", answer=_DOCUMENT.validate_json(content))
                problem = Problem.model_validate_json(content)
        except CallFailed as error:
            problem = Problem.model_validate(problem_document(problem_of(error, service)))
        except ValidationError as error:
            log.warning("service.nonsense", service=service.value, path=path, n_errors=error.error_count())
            detail = f"the {service} service answered what no Pynomaly service answers"
            problem = Problem(type="/problems/unavailable", title="Temporarily unavailable", status=503, detail=detail)
        return ServiceResult(service=service, outcome="failed", problem=problem)

    async def _get(self, service: Service, path: str, read: Callable[[bytes], Answer]) -> Answer | None:
        call = self._services.session.request(
            "GET",
            self._services.urls[service] + path,
            operation=path,
            dependency=service,
            policy=ASK,
            headers=carried(),
        )
        try:
            async with call as answer:
                return read(await answer.read()) if answer.status == OK else None
        except CallFailed:
            return None  # the breaker has counted it, and /status shows it
        except ValidationError as error:
            log.warning("service.nonsense", service=service.value, path=path, n_errors=error.error_count())
            return None
