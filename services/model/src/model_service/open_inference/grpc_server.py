"""The protocol's gRPC server. Imported only where a port is given for it: gRPC costs a process 20 MB."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from model_service.open_inference.catalogue import Catalogue
from model_service.open_inference.grpc_calls import Calls, GrpcMetrics
from model_service.open_inference.grpc_service import SERVICE, InferenceService
from model_service.open_inference.infer import Infer
from model_service.settings import Settings

log = structlog.get_logger()
MAX_WATCHES = 1000  # of its health: each is a call that does not end
_STATUS = health_pb2.HealthCheckResponse


class _Health(health.aio.HealthServicer):  # type: ignore[misc] # the stubs are untyped
    """grpc.health.v1: asked for, it asks the server."""

    def __init__(self, is_ready: Callable[[], Awaitable[bool]]) -> None:
        super().__init__()
        self._is_ready = is_ready

        self._n_watches = 0

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's name
        await self._ask()
        return await super().Check(request, context)

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802 - the protocol's name
        if self._n_watches >= MAX_WATCHES:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MAX_WATCHES} calls watch the health already")
        self._n_watches += 1
        try:
            await self._ask()
            await super().Watch(request, context)
        finally:
            self._n_watches -= 1

    async def _ask(self) -> None:
        status = _STATUS.SERVING if await self._is_ready() else _STATUS.NOT_SERVING
        for service in ("", SERVICE):
            await self.set(service, status)


class GrpcServer:
    """port: that it listens on, once it runs; 0 asks for any."""

    def __init__(self, settings: Settings, registry: CollectorRegistry, infer: Infer, catalogue: Catalogue) -> None:
        calls = Calls(
            GrpcMetrics(registry),
            max_concurrent=settings.max_concurrent_requests,
            max_wait_s=settings.max_queue_wait_s,
            served_by=settings.served_by,
        )
        self._service, self._health = InferenceService(calls, infer, catalogue), _Health(catalogue.is_ready)
        self._settings, self.port, self.queue = settings, settings.grpc_port, calls.queue

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen while the block runs, then finish what is in flight."""
        self._server = server = self._made()
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        self.port = server.add_insecure_port(f"{host}:{self.port}")
        await server.start()
        log.info("grpc.listening", port=self.port)
        try:
            yield
        finally:
            await self.close()

    async def close(self) -> None:
        """Say so to who watches its health, take no more calls, and finish what is in flight."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._settings.shutdown_grace_s)

    def _made(self) -> Any:
        options = {
            "grpc.so_reuseport": 0,  # a port that is taken is an error
            "grpc.max_receive_message_length": self._settings.max_request_bytes,
            "grpc.max_send_message_length": -1,
        }
        at_once = 2 * self._settings.max_concurrent_requests + MAX_WATCHES  # those that run, and as many that wait
        server = grpc.aio.server(options=list(options.items()), maximum_concurrent_rpcs=at_once)
        server.add_generic_rpc_handlers((self._service.handlers(),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        return server
