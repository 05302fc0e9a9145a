"""Wiring of the API and of the worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from pynomaly_chassis.admin import Admin
from pynomaly_chassis.app import Lifespan, create_service
from pynomaly_chassis.background import heartbeat
from pynomaly_chassis.bucket import STORAGE_CALLS, Bucket
from pynomaly_chassis.configuration import Configuration, Live
from pynomaly_chassis.database import DATABASE_CALLS, Database
from pynomaly_chassis.flags import Flags
from pynomaly_chassis.health import Vitals
from pynomaly_chassis.idempotency import IdempotencyKeys
from pynomaly_chassis.jobs import Notifications, Task, Terms, Worker, sweep_folders
from pynomaly_chassis.metrics import HttpMetrics
from pynomaly_chassis.resilience import open_resilience
from pynomaly_chassis.settings import load_settings
from pynomaly_chassis.storage import open_store
from pynomaly_contracts.routes import Service
from pynomaly_resilience import Resilience, ResilientSession

from detector_service.api import algorithms, detectors, evaluations, jobs
from detector_service.clients import API_CALLS, WORKER_CALLS, DatasetClient, ModelClient
from detector_service.repository import Repository
from detector_service.service.detectors import DetectorService
from detector_service.service.evaluations import EvaluationService
from detector_service.service.job_book import JobLimits
from detector_service.service.jobs import JobService
from detector_service.settings import Settings, WorkerSettings
from detector_service.tables import FEATURE_FLAGS, idempotency_keys, job_store
from detector_service.worker.attempt import DetectorAttempt
from detector_service.worker.sandbox import Sandbox
from detector_service.worker.stash import Stash
from detector_service.worker.tasks import DetectBatchTask, EvaluateTask, TrainTask

PURGE_S = 3600.0
DESCRIPTION = "Detectors: algorithms with parameters, their training, their evaluation, and batch detection as jobs."


def create_app(settings: Settings | None = None) -> FastAPI:
    """The API as an application."""
    settings = settings or load_settings(Settings)
    metrics = HttpMetrics(CollectorRegistry())
    resilience = open_resilience(metrics.registry, DATABASE_CALLS | API_CALLS)
    database = Database.open(settings, resilience)
    workers = Repository(database).workers
    vitals = Vitals(settings, database, metrics, resilience=resilience, workers=workers)
    configuration = Configuration(settings, metrics.registry, resilience)
    flags = Flags(Service.DETECTOR, configuration.live, database, FEATURE_FLAGS)
    return create_service(
        vitals,
        title="Pynomaly detector service",
        description=DESCRIPTION,
        routers=[algorithms.router, evaluations.router, detectors.router, detectors.detect_router, jobs.router],
        lifespan=_lifespan(configuration.live, database, resilience, flags),
        admin=Admin(configuration, flags, database),
    )


def _lifespan(live: Live[Settings], database: Database, resilience: Resilience, flags: Flags) -> Lifespan:
    settings = live.now
    repository, keys = Repository(database), IdempotencyKeys(database, idempotency_keys)
    url = settings.database_url.get_secret_value()
    progress = Notifications(url, job_store.progress_channel, application_name=settings.service_name)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            session = await stack.enter_async_context(ResilientSession(resilience=resilience))
            datasets = DatasetClient(session, settings.dataset_service_url)
            models = ModelClient(session, settings.model_service_url)
            app.state.detectors = DetectorService(repository, keys)
            app.state.evaluations = EvaluationService(repository, datasets)
            app.state.jobs = JobService(
                repository, keys, datasets, models, progress=progress, limits=lambda: _limits(live.now), flags=flags
            )
            await stack.enter_async_context(progress.listening())
            await stack.enter_async_context(heartbeat(PURGE_S, keys.purge, at_start=True))
            yield

    return lifespan


def _limits(settings: Settings) -> JobLimits:
    return JobLimits(settings.job_time_limit_s, settings.max_queued_jobs_per_tenant)


def create_worker_app(settings: WorkerSettings | None = None) -> FastAPI:
    """The worker as an application: its health and metrics, and the job loop for as long as it runs."""
    settings = settings or load_settings(WorkerSettings)
    registry = CollectorRegistry()
    resilience = open_resilience(registry, DATABASE_CALLS | STORAGE_CALLS | WORKER_CALLS)
    database = Database.open(settings, resilience)
    vitals = Vitals(settings, database, HttpMetrics(registry), resilience=resilience)
    configuration = Configuration(settings, registry, resilience)
    return create_service(
        vitals,
        title="Pynomaly detector worker",
        description="Works on the detector service's jobs.",
        routers=[],
        lifespan=_worker_lifespan(settings, database, resilience, registry),
        admin=Admin(configuration, Flags(settings.service_name, configuration.live, database), database),
    )


def _worker_lifespan(
    settings: WorkerSettings, database: Database, resilience: Resilience, registry: CollectorRegistry
) -> Lifespan:
    repository, stash = Repository(database), Stash(Bucket(open_store(settings), resilience))
    url = settings.database_url.get_secret_value()
    work = Notifications(url, job_store.work_channel, application_name=settings.service_name)
    terms = Terms(
        repository,
        work,
        asyncio.Event(),
        settings.job_lease_s,
        settings.job_folder,
        time_limit_s=settings.job_time_limit_s,
        max_running=settings.max_running_jobs_per_tenant,
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweep_folders(settings.job_folder)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            session = await stack.enter_async_context(ResilientSession(resilience=resilience))
            await stack.enter_async_context(work.listening())
            await stack.enter_async_context(heartbeat(PURGE_S, lambda: stash.sweep(repository), at_start=True))
            kept = timedelta(days=settings.job_retention_days)
            await stack.enter_async_context(heartbeat(PURGE_S, lambda: repository.forget(kept), at_start=True))
            sandbox = Sandbox(settings.job_memory_limit_mb, keeps_one=True)
            stack.push_async_callback(sandbox.close)
            await sandbox.keep_one()
            worker = Worker(
                terms,
                _tasks(settings, session, stash, sandbox),
                lanes=settings.workers,
                poll_s=settings.job_poll_s,
                registry=registry,
                attempt=DetectorAttempt,
            )
            loop = asyncio.create_task(worker.run())
            try:
                yield
            finally:
                worker.drain()
                await loop

    return lifespan


def _tasks(settings: WorkerSettings, session: ResilientSession, stash: Stash, sandbox: Sandbox) -> dict[str, Task]:
    datasets = DatasetClient(session, settings.dataset_service_url, is_batch=True)
    models = ModelClient(session, settings.model_service_url, is_batch=True)
    trusted = settings.trusted_keys_path
    return {
        "train": TrainTask(
            datasets, models, sandbox, stash, signing_key=settings.signing_key_path, trusted_keys=trusted
        ),
        "evaluate": EvaluateTask(datasets, models, sandbox, trusted),
        "detect_batch": DetectBatchTask(datasets, models, sandbox, trusted, stash, part_rows=settings.detect_part_rows),
    }
