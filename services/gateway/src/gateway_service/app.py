"""Wires the gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry
from pynomaly_chassis.admin import Admin
from pynomaly_chassis.app import create_service
from pynomaly_chassis.configuration import Configuration
from pynomaly_chassis.cors import with_cors
from pynomaly_chassis.database import DATABASE_CALLS, Database
from pynomaly_chassis.flags import Flags
from pynomaly_chassis.health import Vitals
from pynomaly_chassis.metrics import HttpMetrics
from pynomaly_chassis.pressure import guarded
from pynomaly_chassis.resilience import open_resilience
from pynomaly_chassis.settings import load_settings
from pynomaly_contracts.routes import Service
from starlette.types import ASGIApp

from gateway_service.admin import SuiteAdmin, suite_admin_router
from gateway_service.api import ASSETS_PATH, DOCS_ASSETS, router
from gateway_service.clients import CALLS, UPLOADS, ServiceClient, Services
from gateway_service.proxy import FrontDoor, Proxy
from gateway_service.repository import GatewayRepository
from gateway_service.service import GatewayService
from gateway_service.settings import Settings
from gateway_service.streams import StreamProxy
from gateway_service.tables import FEATURE_FLAGS


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The gateway as an ASGI application."""
    settings = settings or load_settings(Settings)
    metrics = HttpMetrics(CollectorRegistry())
    resilience = open_resilience(metrics.registry, DATABASE_CALLS | CALLS, UPLOADS)
    database, services = Database.open(settings, resilience), Services(settings.service_urls, resilience)
    vitals = Vitals(settings, database, metrics, resilience=resilience)
    configuration = Configuration(settings, metrics.registry, resilience)
    live = configuration.live
    admin = Admin(configuration, Flags(Service.GATEWAY, live, database, FEATURE_FLAGS), database)

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
        routers=[router, suite_admin_router(SuiteAdmin(admin, ServiceClient(services)))],
        lifespan=lifespan,
        admin=admin,
        is_front_door=True,
    )
    app.mount(ASSETS_PATH, StaticFiles(directory=DOCS_ASSETS), name="docs-assets")
    # Beside the framework, not in it: what is only passed on needs no routing, validation or exception layers.
    proxy = Proxy(services, admin.is_bearer_of_token)
    passed_on = guarded(
        proxy,
        settings=settings,
        metrics=metrics,
        body_limit=lambda _: live.now.max_upload_size,
        sheds=resilience.settings.enabled,
    )
    streams = StreamProxy(services, admin, max_message_bytes=settings.max_stream_message_bytes)
    door = FrontDoor(own=app, proxy=passed_on, streams=streams)
    return with_cors(door, settings) if settings.cors_enabled else door
