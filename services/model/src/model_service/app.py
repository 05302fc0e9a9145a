"""Everything is put together here."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry
from pynomaly_chassis.admin import Admin
from pynomaly_chassis.app import create_service
from pynomaly_chassis.background import heartbeat
from pynomaly_chassis.bucket import STORAGE_CALLS, Bucket
from pynomaly_chassis.configuration import Configuration, Live
from pynomaly_chassis.database import DATABASE_CALLS, Database
from pynomaly_chassis.flags import Flags
from pynomaly_chassis.health import Vitals
from pynomaly_chassis.idempotency import IdempotencyKeys
from pynomaly_chassis.metrics import HttpMetrics
from pynomaly_chassis.problem_handlers import ErrorForms
from pynomaly_chassis.resilience import open_resilience
from pynomaly_chassis.settings import load_settings
from pynomaly_chassis.storage import open_store
from pynomaly_contracts.routes import Service
from pynomaly_resilience import Resilience
from pynomaly_scoring import TrustedKeys

from model_service.aliases import Aliases
from model_service.api import (
    aliases,
    artefacts,
    kserve,
    mlflow,
    models,
    open_inference,
    predictions,
    residency,
    stream,
    versions,
)
from model_service.artefacts import ArtefactChecker, ArtefactStore
from model_service.changes import ChangeListener
from model_service.intake import Intake
from model_service.invocations import Invocations
from model_service.metrics import ModelMetrics
from model_service.mlflow import error_response as mlflow_error
from model_service.open_inference.catalogue import Catalogue
from model_service.open_inference.infer import Infer
from model_service.open_inference.rest import error_response
from model_service.predictions import Predictions, RequestLimits
from model_service.repository import ModelRepository
from model_service.residency import Residency
from model_service.runtime import ModelLoader, ModelRuntime
from model_service.scoring import Scoring, ScoringPool
from model_service.service import Registry
from model_service.serving import Serving
from model_service.settings import Settings
from model_service.sweep import Sweep
from model_service.tables import FEATURE_FLAGS, IDEMPOTENCY_KEYS

HOURLY_S = 3600.0
DESCRIPTION = "Registers signed models as immutable versions, and scores rows with them."


@dataclass(frozen=True)
class _Parts:
    """What the lifespan opens and closes."""

    resilience: Resilience
    database: Database
    load_keys: Callable[[], TrustedKeys]
    keys: IdempotencyKeys
    sweep: Sweep
    listener: ChangeListener
    serving: Serving
    pool: ScoringPool

    @asynccontextmanager
    async def running(self, app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(self.load_keys)  # a service that trusts nobody must not start
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.database.close)
            stack.callback(self.pool.close)
            stack.push_async_callback(self.serving.close)
            for beat in (self.keys.purge, self.sweep.run):
                await stack.enter_async_context(heartbeat(HOURLY_S, beat, at_start=True))
            await stack.enter_async_context(self.listener.listening())
            if app.state.grpc is not None:
                await stack.enter_async_context(app.state.grpc.running())
            yield


def create_app(settings: Settings | None = None) -> FastAPI:
    """The model service."""
    settings = settings or load_settings(Settings)
    metrics = HttpMetrics(CollectorRegistry())
    model_metrics = ModelMetrics(metrics.registry)
    resilience = open_resilience(metrics.registry, DATABASE_CALLS | STORAGE_CALLS)
    database, bucket = Database.open(settings, resilience), Bucket(open_store(settings), resilience)
    repository, store = ModelRepository(database), ArtefactStore(bucket)
    load_keys = partial(TrustedKeys.load, settings.trusted_keys_path)
    checker = ArtefactChecker(load_keys, model_metrics, max_bytes=settings.max_artefact_size)
    loader = ModelLoader(store, checker, model_metrics)
    runtime = ModelRuntime(loader, budget_bytes=settings.model_cache_bytes)
    serving = Serving(
        repository, runtime, fresh_s=settings.model_refresh_s, resolve_timeout_s=settings.model_resolve_timeout_s
    )
    configuration = Configuration(settings, metrics.registry, resilience)
    flags = Flags(Service.MODEL, configuration.live, database, FEATURE_FLAGS)
    keys = IdempotencyKeys(database, IDEMPOTENCY_KEYS)
    pool = ScoringPool(n_threads=settings.scoring_threads, queue_size=settings.scoring_queue_size)
    url = settings.database_url.get_secret_value()
    listener = ChangeListener(url, serving, application_name=settings.service_name)
    parts = _Parts(resilience, database, load_keys, keys, Sweep(repository, bucket), listener, serving, pool)

    app = _routes(Admin(configuration, flags, database), metrics, runtime, parts)
    app.state.registry = registry = Registry(
        repository=repository, keys=keys, store=store, checker=checker, runtime=runtime, serving=serving
    )
    app.state.aliases = Aliases(repository, serving)
    app.state.residency = kept = Residency(
        repository, runtime, serving, replica=f"{socket.gethostname()}:{os.getpid()}"
    )
    intake = Intake(max_bytes=settings.scoring_body_bytes, stall_s=settings.body_stall_s)
    scoring = Scoring(serving, pool, intake, model_metrics)
    max_rows = settings.max_detection_batch_size
    app.state.predictions = Predictions(scoring, model_metrics, _limits(settings))
    app.state.streams = stream.Streams(
        app.state.predictions, model_metrics, flags, settings.max_streams, settings.stream_idle_s
    )
    app.state.infer = Infer(scoring, model_metrics, max_rows=max_rows)
    app.state.invocations = Invocations(scoring, model_metrics, max_rows=max_rows, max_bytes=settings.max_request_bytes)
    configuration.live.follow(partial(_limit, app))
    app.state.catalogue = Catalogue(registry, kept, scoring, database, settings.app_version)
    app.state.grpc = _grpc(settings, metrics, app) if settings.grpc_port else None
    return app


def _limits(settings: Settings) -> RequestLimits:
    return RequestLimits(settings.max_detection_batch_size, settings.max_request_bytes, settings.max_table_rows)


def _limit(app: FastAPI, settings: Settings) -> None:
    """What is asked from now on is held against these settings."""
    state = app.state
    state.predictions.limit(_limits(settings))
    state.streams.max_open, state.streams.idle_s = settings.max_streams, settings.stream_idle_s
    state.infer.max_rows = state.invocations.max_rows = settings.max_detection_batch_size
    state.invocations.max_bytes = settings.max_request_bytes


def _grpc(settings: Settings, metrics: HttpMetrics, app: FastAPI) -> Any:
    from model_service.open_inference.grpc_server import GrpcServer  # noqa: PLC0415 - not a cost of those without it

    return GrpcServer(settings, metrics.registry, app.state.infer, app.state.catalogue)


def _routes(admin: Admin[Settings], metrics: HttpMetrics, runtime: ModelRuntime, parts: _Parts) -> FastAPI:
    settings = admin.live.now
    vitals = Vitals(
        settings,
        parts.database,
        metrics,
        storage_folder=_folder(settings),
        loaded_models=lambda: runtime.n_loaded,
        resilience=parts.resilience,
    )
    return create_service(
        vitals,
        title="Pynomaly model service",
        description=DESCRIPTION,
        routers=[predictions.router, stream.router, *_registry(), *_other_protocols()],
        lifespan=parts.running,
        admin=admin,
        body_limit=partial(_body_limit, admin.live),
        error_forms=ErrorForms(
            {open_inference.PREFIX: error_response, kserve.PREFIX: error_response}
            | dict.fromkeys(mlflow.PREFIXES, mlflow_error)
        ),
    )


def _registry() -> list[APIRouter]:
    return [module.router for module in (models, versions, aliases, residency, artefacts)] + [versions.described]


def _other_protocols() -> list[APIRouter]:
    return [router for each in (open_inference, kserve, mlflow) for router in (each.router, each.hot)]


def _folder(settings: Settings) -> Path | None:
    return settings.storage_path if settings.storage_type == "local" else None


def _body_limit(live: Live[Settings], path: str) -> int:
    settings = live.now
    if path.endswith("/versions"):
        return settings.max_artefact_size
    if path.endswith("/predict/batch"):
        return max(settings.max_request_bytes, settings.max_table_bytes)
    return settings.max_request_bytes
