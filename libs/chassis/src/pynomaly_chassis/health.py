"""The state of a process, for load balancers and people. Readiness asks the database alone, never a peer."""

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psutil
from fastapi import APIRouter, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pynomaly_contracts.health import (
    Checks,
    CheckState,
    DatabaseHealth,
    DependencyStatus,
    Health,
    Readiness,
    Status,
    WorkerStatus,
)
from pynomaly_resilience import Resilience

from pynomaly_chassis.database import Database, DatabaseUnavailable
from pynomaly_chassis.ids import utc_now
from pynomaly_chassis.metrics import HttpMetrics
from pynomaly_chassis.resilience import dependencies
from pynomaly_chassis.settings import ServiceSettings

MIB = 1024 * 1024


@dataclass
class Vitals:
    """What the health routes read. A service gives what it has."""

    settings: ServiceSettings
    database: Database
    metrics: HttpMetrics
    storage_folder: Path | None = None
    loaded_models: Callable[[], int] = lambda: 0
    workers: Callable[[], Awaitable[list[WorkerStatus]]] | None = None
    resilience: Resilience = field(default_factory=Resilience)
    began: float = field(default_factory=time.monotonic)

    def uptime_s(self) -> float:
        return round(time.monotonic() - self.began, 3)

    def filesystem(self) -> CheckState:
        if self.storage_folder is None:
            return "not_configured"
        return "ok" if os.access(self.storage_folder, os.W_OK) else "failed"

    async def health(self) -> Health:
        database = await self.database.health()
        checks = Checks(database=database.status, filesystem=self.filesystem())
        failed = "failed" in (checks.database, checks.filesystem)
        return Health(
            status="unhealthy" if failed else "healthy",
            timestamp=utc_now(),
            version=self.settings.app_version,
            uptime_seconds=self.uptime_s(),
            loaded_models=self.loaded_models(),
            active_connections=self.metrics.n_active,
            memory_usage_mb=round(psutil.Process().memory_info().rss / MIB, 1),
            checks=checks,
        )

    async def status(self) -> Status:
        database = await self.database.health()
        peers = dependencies(self.resilience)
        return Status(
            service=self.settings.service_name,
            version=self.settings.app_version,
            status=_overall(database, peers),
            environment=self.settings.environment,
            uptime_seconds=self.uptime_s(),
            database=database,
            dependencies=peers,
            workers=await self._workers(),
        )

    async def _workers(self) -> list[WorkerStatus] | None:
        """A database that is away is told by its own field."""
        try:
            return None if self.workers is None else await self.workers()
        except DatabaseUnavailable:
            return None


def _overall(database: DatabaseHealth, peers: Sequence[DependencyStatus]) -> Literal["ok", "degraded", "unhealthy"]:
    if database.status != "ok":
        return "unhealthy"
    return "ok" if all(item.state == "closed" for item in peers) else "degraded"


def health_router(vitals: Vitals, *, status: bool = True) -> APIRouter:
    """Every health route; `status=False` where the service has its own /status."""
    router = APIRouter(tags=["health"])

    @router.get("/health/live", summary="The process runs")
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/health", summary="State of the process and what it stands on", responses={503: {"model": Health}})
    async def health(response: Response) -> Health:
        found = await vitals.health()
        response.status_code = 200 if found.status == "healthy" else 503
        return found

    @router.get("/ready", summary="Send it requests", responses={503: {"model": Readiness}})
    @router.get("/health/ready", summary="Send it requests", responses={503: {"model": Readiness}})
    async def ready(response: Response) -> Readiness:
        database = (await vitals.database.health()).status == "ok"
        response.status_code = 200 if database else 503
        return Readiness(ready=database, dependencies={"database": database})

    @router.get("/health/db", summary="The database's state", responses={503: {"model": DatabaseHealth}})
    async def database(response: Response) -> DatabaseHealth:
        found = await vitals.database.health()
        response.status_code = 200 if found.status == "ok" else 503
        return found

    async def metrics() -> Response:
        return Response(generate_latest(vitals.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    if vitals.settings.prometheus_enabled:
        router.get("/metrics", summary="Prometheus metrics", response_class=Response)(metrics)
    if status:
        router.add_api_route("/status", vitals.status, response_model=Status, summary="This service and its peers")
    return router
