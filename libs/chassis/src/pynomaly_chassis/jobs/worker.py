"""The job loop: claim, work, and hand back what is unfinished when asked to end."""

import asyncio
import os
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Generic

import psutil
import structlog
from prometheus_client import CollectorRegistry, Counter
from pynomaly_contracts.headers import REQUEST_ID

from pynomaly_chassis.background import heartbeat
from pynomaly_chassis.database import DatabaseUnavailable
from pynomaly_chassis.ids import new_id
from pynomaly_chassis.jobs.attempt import FOLDER_PREFIX, Attempt, Task, Terms, Tx
from pynomaly_chassis.jobs.bells import wait_for
from pynomaly_chassis.jobs.queue import Lease
from pynomaly_chassis.jobs.workers import BEAT_S, Presence
from pynomaly_chassis.travelling import carrying

log = structlog.get_logger()


class Worker(Generic[Tx]):
    """Works on `lanes` jobs at a time, of all tenants. attempt: the service's own kind of try."""

    def __init__(
        self,
        terms: Terms[Tx],
        tasks: Mapping[str, Task],
        *,
        lanes: int,
        poll_s: float,
        registry: CollectorRegistry,
        attempt: type[Attempt[Tx]] = Attempt,
    ) -> None:
        self._terms, self._tasks, self._attempt = terms, tasks, attempt
        self._lanes, self._poll_s = lanes, poll_s
        self._id, self._n_busy = new_id(), 0
        self._ended = Counter("pynomaly_jobs", "Tries at jobs, by how they ended.", ("kind", "end"), registry=registry)

    async def run(self) -> None:
        """Until `drain`."""
        async with heartbeat(BEAT_S, self._tell, at_start=True), asyncio.TaskGroup() as lanes:
            for _ in range(self._lanes):
                lanes.create_task(self._lane())
        await self._leave()

    def drain(self) -> None:
        """Begin nothing more, stop what runs and hand it back; `run` then returns."""
        self._terms.draining.set()
        self._terms.work.ring()

    async def _lane(self) -> None:
        with self._terms.work.subscription() as bell:
            while not self._terms.draining.is_set():
                if not await self._work_once():
                    await wait_for(bell, self._poll_s)

    async def _work_once(self) -> bool:
        """Whether there was a job. What breaks here is logged: a worker outlives every job and every outage."""
        try:
            claimed_s = time.monotonic()
            lease = await self._claim()
            if lease is not None:
                await self._carry_out(lease, claimed_s)
        except DatabaseUnavailable as error:
            log.warning("worker.database_unavailable", error=str(error))
            return False
        except Exception:
            log.exception("worker.lane_failed")
            return False
        return lease is not None

    async def _claim(self) -> Lease | None:
        async def claim(tx: Tx) -> Lease | None:
            await tx.queue.end_hopeless()
            return await tx.queue.claim(self._terms.lease_s, max_running=self._terms.max_running)

        return await self._terms.repository.run(claim)

    async def _carry_out(self, lease: Lease, claimed_s: float) -> None:
        fields = {"job_id": str(lease.job_id), "kind": lease.kind, "attempt": lease.attempt}
        known = structlog.contextvars.bound_contextvars(**fields, request_id=lease.headers.get(REQUEST_ID))
        self._n_busy += 1
        try:
            with known, carrying(lease.headers):
                log.info("job.started")
                end = await self._attempt(self._terms, lease, self._tasks[lease.kind], claimed_s=claimed_s).run()
                self._ended.labels(lease.kind, end).inc()
                log.info("job.attempt_ended", end=end)
        finally:
            self._n_busy -= 1

    async def _tell(self) -> None:
        here = Presence(self._id, f"{socket.gethostname()}:{os.getpid()}", self._lanes, self._n_busy)
        try:
            await self._terms.repository.run(lambda tx: tx.queue.workers.beat(here))
        except DatabaseUnavailable:
            log.debug("worker.not_heard")

    async def _leave(self) -> None:
        try:
            await self._terms.repository.run(lambda tx: tx.queue.workers.leave(self._id))
        except DatabaseUnavailable as error:  # it is taken for dead 30 s from now
            log.warning("worker.leave_not_told", error=str(error))


def sweep_folders(folder: Path) -> None:
    """Remove what killed workers of this machine left. Called before this process makes any of its own.

    A folder with this process's own id is an earlier process's: in a container, each start gets the same id.
    """
    for left in folder.glob(f"{FOLDER_PREFIX}*"):
        pid = left.name.removeprefix(FOLDER_PREFIX).partition("-")[0]
        if pid.isdecimal() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            _remove(left)


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError as error:  # another user's, or another worker sweeps too: no reason not to start
        log.warning("worker.folder_not_removed", folder=str(folder), error=str(error))
