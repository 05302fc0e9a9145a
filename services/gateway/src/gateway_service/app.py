"""Wires the gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry
from pynomaly_chassis.app import create_service
from pynomaly_chassis.database import Database
from pynomaly_chassis.health import Vitals
from pynomaly_chassis.metrics import HttpMetrics
from pynomaly_chassis.middleware import RequestMiddleware
from pynomaly_chassis.settings import load_settings
from pynomaly_contracts.health import DependencyStatus
from starlette.types import ASGIApp

from gateway_service.api import ASSETS_PATH, DOCS_ASSETS, router
from gateway_service.clients import ServiceClient, Services
from gateway_service.proxy import FrontDoor, Proxy
from gateway_service.repository import GatewayRepository
from gateway_service.service import GatewayService
from gateway_service.settings import Settings


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The gateway as an ASGI application."""
    settings = settings or load_settings(Settings)
    database, services = Database.open(settings), Services(settings.service_urls)
    vitals = Vitals(
        settings,
        database,
        HttpMetrics(CollectorRegistry()),
        dependencies=lambda: [DependencyStatus(**item) for item in services.breakers.snapshot()],
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with services.connected():
            app.state.gateway = GatewayService(vitals, GatewayRepository(database), ServiceClient(services))
            yield
        await database.close()

    app = create_service(
        vitals,
        title="Pynomaly API",
        description="Detect anomalies in tabular data: upload, train, deploy, score.",
        routers=[router],
        lifespan=lifespan,
        is_front_door=True,
    )
    app.mount(ASSETS_PATH, StaticFiles(directory=DOCS_ASSETS), name="docs-assets")
    # Beside the framework, not in it: what is only passed on needs no routing, validation or exception layers.
    proxy = RequestMiddleware(Proxy(services), vitals.metrics, lambda _: settings.max_upload_size)
    return FrontDoor(own=app, proxy=proxy)
