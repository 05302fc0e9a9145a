"""Wires the gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry
from pynomaly_chassis.app import create_service
from pynomaly_chassis.database import Database
from pynomaly_chassis.health import Vitals
from pynomaly_chassis.metrics import HttpMetrics
from pynomaly_chassis.settings import load_settings
from pynomaly_contracts.health import DependencyStatus
from pynomaly_resilience import BreakerRegistry, ResilientSession

from gateway_service.api import ASSETS_PATH, DOCS_ASSETS, router
from gateway_service.clients import ServiceClient
from gateway_service.proxy import Proxy
from gateway_service.repository import GatewayRepository
from gateway_service.service import GatewayService
from gateway_service.settings import Settings

# What aiohttp would add by itself; a proxy hands on what the client sent and nothing else.
_NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


def create_app(settings: Settings | None = None) -> FastAPI:
    """The gateway as an ASGI application."""
    settings = settings or load_settings(Settings)
    database, breakers = Database.open(settings), BreakerRegistry()
    vitals = Vitals(
        settings,
        database,
        HttpMetrics(CollectorRegistry()),
        dependencies=lambda: [DependencyStatus(**item) for item in breakers.snapshot()],
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _http() as http, ResilientSession(http, breakers=breakers) as session:
            client = ServiceClient(session, settings.service_urls)
            app.state.gateway = GatewayService(vitals, GatewayRepository(database), client)
            app.router.default = Proxy(session, settings.service_urls, own=app.router.default)
            yield
        await database.close()

    app = create_service(
        vitals,
        title="Pynomaly API",
        description="Detect anomalies in tabular data: upload, train, deploy, score.",
        routers=[router],
        lifespan=lifespan,
        body_limit=lambda _: settings.max_upload_size,  # the owner of a path has its own, smaller cap
        is_front_door=True,
    )
    app.mount(ASSETS_PATH, StaticFiles(directory=DOCS_ASSETS), name="docs-assets")
    return app


def _http() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_NOT_ADDED,
    )
