"""Typed questions to the services behind the door."""

from collections.abc import Mapping
from typing import Any

from pynomaly_contracts.health import Status
from pynomaly_contracts.routes import Service
from pynomaly_resilience import CallFailed, CallPolicy, ResilientSession

ASK = CallPolicy(attempt_timeout_s=1.0, total_timeout_s=2.1, attempts=2)
OK = 200


class ServiceClient:
    """Asks any service what all services can be asked."""

    def __init__(self, session: ResilientSession, service_urls: Mapping[Service, str]) -> None:
        self._session, self._urls = session, service_urls

    async def status(self, service: Service) -> Status | None:
        """Its own view of itself; None when it does not answer."""
        answer = await self._get(service, "/status")
        return None if answer is None else Status.model_validate(answer)

    async def openapi(self, service: Service) -> dict[str, Any] | None:
        """Its OpenAPI document; None when it does not answer."""
        return await self._get(service, "/openapi.json")

    async def _get(self, service: Service, path: str) -> dict[str, Any] | None:
        call = self._session.request("GET", self._urls[service] + path, operation=path, dependency=service, policy=ASK)
        try:
            async with call as answer:
                return dict(await answer.json()) if answer.status == OK else None
        except CallFailed:
            return None  # the breaker has counted it, and /status shows it
