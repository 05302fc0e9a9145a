"""A real gateway process in front of real scripted services."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from gateway_service.__main__ import MIGRATIONS
from gateway_service.app import create_app
from gateway_service.settings import Settings
from pynomaly_chassis.migrations import migrate
from pynomaly_suite.served import served
from pynomaly_suite.testing import TemporaryPostgres

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATUS = {
    "service": "model",
    "version": "0.1.0",
    "status": "ok",
    "environment": "test",
    "uptime_seconds": 1.0,
    "database": {"status": "ok", "connections_active": 0, "connections_max": 1},
}


@dataclass
class Peer:
    """A service played by a script: set `handler`, read `seen`; `asked` has what the gateway asks by itself too."""

    port: int = 0
    openapi: dict[str, object] = field(default_factory=lambda: {"paths": {}})
    seen: list[web.Request] = field(default_factory=list)
    asked: list[web.Request] = field(default_factory=list)
    handler: Handler | None = None
    runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        if request.path == "/status":
            return web.json_response(STATUS)
        if request.path == "/openapi.json":
            return web.json_response(self.openapi)
        self.seen.append(request)
        if self.handler is not None:
            return await self.handler(request)
        return web.json_response({"path": request.path_qs, "headers": dict(request.headers)})

    async def start(self) -> None:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self.answer)
        self.runner = web.AppRunner(app, handler_cancellation=True)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", self.port)
        await site.start()
        assert site._server is not None
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]

    async def stop(self) -> None:
        assert self.runner is not None
        await self.runner.cleanup()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """Plays all three services."""
    played = Peer()
    await played.start()
    yield played
    await played.stop()


@pytest.fixture(scope="session")
def database_url(postgres: TemporaryPostgres) -> str:
    urls = postgres.database("gateway")
    migrate(Settings(database_url=urls.app_url, migration_database_url=urls.owner_url), MIGRATIONS)
    return urls.app_url


def run_gateway(settings: Settings) -> AbstractAsyncContextManager[str]:
    """The gateway on a real socket of this loop."""
    return served(create_app(settings), lifespan="on", websockets=True)


RunGateway = Callable[[Settings], AbstractAsyncContextManager[str]]


@pytest.fixture
def running() -> RunGateway:
    return run_gateway


@pytest.fixture
def settings(database_url: str, peer: Peer) -> Settings:
    urls = dict.fromkeys(("dataset_service_url", "detector_service_url", "model_service_url"), peer.url)
    return Settings(database_url=database_url, max_upload_size=50_000_000, **urls)  # type: ignore[arg-type]


@pytest.fixture
async def door(settings: Settings) -> AsyncIterator[str]:
    async with run_gateway(settings) as url:
        yield url


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
