"""The API in this process, and workers in this one or in their own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
import pytest
from detector_service.app import create_app, create_worker_app
from detector_service.settings import Settings, WorkerSettings
from fastapi import FastAPI
from pydantic import SecretStr
from pynomaly_chassis.database import Database
from pynomaly_contracts.jobs import Job
from pynomaly_suite.postgres import DatabaseUrls


def child_of(pid: int) -> psutil.Process:
    """The one process that computes for the worker `pid`."""
    (child,) = (each for each in psutil.Process(pid).children() if _computes(each))
    return child


def _computes(process: psutil.Process) -> bool:
    while process.status() != psutil.STATUS_ZOMBIE:
        if command := process.cmdline():  # which a process has none of for a moment, as its program begins
            return "detector_service.child" in command
    return False


class Service:
    """The API in this process, and how its workers are started."""

    def __init__(self, app: FastAPI, client: httpx.AsyncClient, peers: Any, environment: dict[str, str]) -> None:
        self.app, self.client, self.peers, self.environment = app, client, peers, environment

    async def create_detector(self, name: str = "forest", **fields: Any) -> dict[str, Any]:
        body = {"name": name, "algorithm": "IForest", "parameters": {"n_estimators": 10}, **fields}
        answer = await self.client.post("/api/v1/detectors", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def submit(self, path: str, **body: Any) -> UUID:
        answer = await self.client.post(f"/api/v1/{path}", json=body)
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"/api/v1/jobs/{answer.json()['job_id']}"
        return UUID(answer.json()["job_id"])

    async def until(self, job_id: UUID, is_so: Callable[[Job], bool], timeout_s: float = 60) -> Job:
        """The job once it is so; woken by the database, not by a clock."""
        async with asyncio.timeout(timeout_s):
            async for job in self.app.state.jobs.watch("default", job_id):
                if is_so(job):
                    return Job.model_validate(job)
        raise AssertionError(f"the job ended without that: {job}")

    async def finished(self, job_id: UUID) -> Job:
        return await self.until(job_id, lambda job: job.finished_at is not None)

    @asynccontextmanager
    async def worker_here(self, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
        """A worker in this process, where nobody kills it; a client of its health and metrics."""
        told: dict[str, Any] = {name.lower(): value for name, value in self.environment.items()}
        app = create_worker_app(WorkerSettings(**(told | settings)))
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://worker") as client,
        ):
            yield client

    def child(self) -> psutil.Process:
        """That of the worker in this process."""
        return child_of(os.getpid())

    @asynccontextmanager
    async def worker(self, **settings: Any) -> AsyncIterator["WorkerProcess"]:
        environment = self.environment | {name.upper(): str(value) for name, value in settings.items()}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "detector_service", "worker", env=environment, start_new_session=True
        )
        try:
            yield WorkerProcess(process)
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            await process.wait()


class WorkerProcess:
    """A worker as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        async with asyncio.timeout(30):
            return await self.process.wait()

    def child(self) -> psutil.Process:
        return child_of(self.process.pid)


@pytest.fixture
async def service(
    database: Database, database_urls: DatabaseUrls, peers: Any, keys: tuple[Path, Path], tmp_path: Path
) -> AsyncIterator[Service]:
    async with peers.serving() as url:
        app_url = SecretStr(database_urls.app_url)
        app = create_app(Settings(database_url=app_url, dataset_service_url=url, model_service_url=url))
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "DATASET_SERVICE_URL": url,
            "MODEL_SERVICE_URL": url,
            "DATABASE_URL": database_urls.worker_url,
            "STORAGE_PATH": str(tmp_path / "storage"),
            "SIGNING_KEY_PATH": str(keys[0]),
            "TRUSTED_KEYS_PATH": str(keys[1]),
            "JOB_FOLDER": str(tmp_path),
            "WORKER_PORT": "0",
        }
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://detector") as client,
        ):
            yield Service(app, client, peers, environment)
