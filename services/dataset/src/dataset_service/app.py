"""The dataset service, wired."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from pynomaly_chassis.admin import Admin
from pynomaly_chassis.app import Lifespan, create_service
from pynomaly_chassis.background import heartbeat
from pynomaly_chassis.bucket import STORAGE_CALLS, Bucket
from pynomaly_chassis.configuration import Configuration
from pynomaly_chassis.database import DATABASE_CALLS, Database
from pynomaly_chassis.flags import Flags
from pynomaly_chassis.health import Vitals
from pynomaly_chassis.idempotency import IdempotencyKeys
from pynomaly_chassis.ids import utc_now
from pynomaly_chassis.jobs import Notifications, Terms
from pynomaly_chassis.metrics import HttpMetrics
from pynomaly_chassis.resilience import open_resilience
from pynomaly_chassis.settings import load_settings
from pynomaly_chassis.storage import open_store
from pynomaly_contracts.routes import Service

from dataset_service.api import router
from dataset_service.collector import Collector
from dataset_service.download import Downloads
from dataset_service.imports import api as imports
from dataset_service.imports.policy import AllowedSources
from dataset_service.imports.repository import forget_old, forget_secrets
from dataset_service.imports.service import ImportService
from dataset_service.imports.sources import SourceLimits
from dataset_service.imports.task import ImportTask
from dataset_service.imports.worker import working
from dataset_service.objects import ObjectFiles
from dataset_service.repository import DatasetRepository, Transaction
from dataset_service.service import PATH, UPLOAD, Limits
from dataset_service.settings import Settings
from dataset_service.spool import Spool
from dataset_service.tables import IMPORTS, idempotency_keys
from dataset_service.versions import VersionService

HOUR_S = 3600.0
CONNECT_TIMEOUT_S = 10.0


def _takes_files(path: str) -> bool:
    return path in (PATH, UPLOAD) or (path.startswith(f"{PATH}/") and path.endswith("/versions"))


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; its lifespan opens and closes what it stands on."""
    settings = settings or load_settings(Settings)
    metrics = HttpMetrics(CollectorRegistry())
    resilience = open_resilience(metrics.registry, DATABASE_CALLS | STORAGE_CALLS)
    database, bucket = Database.open(settings, resilience), Bucket(open_store(settings), resilience)
    configuration = Configuration(settings, metrics.registry, resilience)
    live = configuration.live
    spool = Spool(settings.spool_folder)
    objects = ObjectFiles(bucket, spool, local_folder=settings.local_folder)
    repository = DatasetRepository(database)
    keys = IdempotencyKeys(database, idempotency_keys)
    collector = Collector(repository, objects)
    datasets = VersionService(repository, objects, spool, keys, _limits(settings))
    task = _task(settings, datasets, repository)

    importing = partial(
        working,
        _terms(settings, repository, spool),
        task,
        lanes=settings.import_concurrency,
        poll_s=settings.import_poll_s,
        registry=metrics.registry,
    )

    app = create_service(
        Vitals(settings, database, metrics, storage_folder=settings.local_folder, resilience=resilience),
        title="Pynomaly: data sets",
        description="Upload tables, look at them, cut them into parts, read their rows.",
        routers=[imports.router, router],  # a data set is never named imports
        lifespan=_lifespan(database, spool, partial(_tidy, database, keys, collector), importing),
        admin=Admin(configuration, Flags(Service.DATASET, live, database), database),
        body_limit=lambda path: live.now.max_upload_size if _takes_files(path) else live.now.max_request_bytes,
    )
    live.follow(lambda now: _limit(datasets, task, now))
    app.state.datasets = datasets
    app.state.downloads = Downloads(repository, objects, _lifetime(settings))
    app.state.imports = ImportService(
        repository, keys, _allowed(settings), max_queued=lambda: live.now.max_queued_jobs_per_tenant
    )
    return app


def _lifespan(
    database: Database,
    spool: Spool,
    tidy: Callable[[], Awaitable[None]],
    importing: Callable[[], AbstractAsyncContextManager[None]],
) -> Lifespan:
    """Tidies and imports while it lasts; then lets go of what it stands on."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        spool.open()
        try:
            async with heartbeat(HOUR_S, tidy, at_start=True), importing():
                yield
        finally:
            spool.close()
            await database.close()

    return lifespan


async def _tidy(database: Database, keys: IdempotencyKeys, collector: Collector) -> None:
    """What is kept for a while only, and what nobody has any more."""
    await keys.purge()
    await database.run(forget_secrets)
    while await database.run(forget_old):
        pass
    await collector.sweep(utc_now())


def _limit(datasets: VersionService, task: ImportTask, settings: Settings) -> None:
    """What comes from now on is held against these settings."""
    datasets.limit(_limits(settings))
    task.limits = _of_sources(settings)


def _limits(settings: Settings) -> Limits:
    return Limits(
        max_columns=settings.max_columns,
        max_expanded_bytes=settings.max_expanded_size,
        idle_timeout_s=settings.upload_idle_timeout_s,
        n_cpu_tasks=settings.conversion_concurrency,
    )


def _lifetime(settings: Settings) -> timedelta | None:
    return timedelta(seconds=settings.presigned_url_s) if settings.signs_downloads else None


def _task(settings: Settings, datasets: VersionService, repository: DatasetRepository) -> ImportTask:
    allowed, limits = _allowed(settings), _of_sources(settings)
    return ImportTask(datasets, repository, settings, allowed, limits, timeout_s=settings.import_timeout_s)


def _allowed(settings: Settings) -> AllowedSources:
    return AllowedSources(
        hosts=settings.import_allowed_hosts,
        buckets=settings.import_allowed_buckets,
        networks=settings.import_networks,
        connections=settings.import_urls,
    )


def _of_sources(settings: Settings) -> SourceLimits:
    return SourceLimits(
        max_bytes=settings.max_upload_size,
        connect_timeout_s=CONNECT_TIMEOUT_S,
        idle_timeout_s=settings.import_idle_timeout_s,
        ca_file=settings.import_ca_file,
    )


def _terms(settings: Settings, repository: DatasetRepository, spool: Spool) -> Terms[Transaction]:
    url = settings.database_url.get_secret_value()
    bells = Notifications(url, IMPORTS.work_channel, application_name=settings.service_name)
    return Terms(repository, bells, asyncio.Event(), settings.import_lease_s, spool.folder)
