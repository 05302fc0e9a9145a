"""One try at one job, under a lease that is renewed on the database's clock.

A try that cannot renew its lease stops before another may begin. One that was stopped itself, and wakes too late,
finds its fencing token refused.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel
from pynomaly_chassis.database import DatabaseUnavailable
from pynomaly_chassis.jobs import Notifications, wait_for
from pynomaly_chassis.problems import ProblemError, Unavailable, problem_document
from pynomaly_contracts.headers import REQUEST_ID
from pynomaly_contracts.jobs import TrainResult

from detector_service.repository import Lease, Repository, Standing, Transaction
from detector_service.sandbox import ChildCrashed, ChildRefused
from detector_service.tasks import Task

log = structlog.get_logger()
FOLDER_PREFIX = "pynomaly-job-"
MAX_POSTPONEMENTS = 30
MAX_DELAY_S = 60.0
CRASH_DELAY_S = 1.0
BEAT_S = 1.0
"""Longest time between two looks at the lease, so that a lost notification delays a cancel by no more."""
NEWS_S = 0.2
"""Shortest time between two reports of progress."""
SETTLE_S = 60.0
"""How long an end is tried to be written down while the database is away: longer than it takes to start again."""
Settlement = Callable[[Transaction], Awaitable[bool]]


@dataclass(frozen=True)
class Terms:
    """What every try of a worker shares. lease_s: length of a lease, s; folder: where tries make theirs."""

    repository: Repository
    work: Notifications
    draining: asyncio.Event
    lease_s: float
    folder: Path


class Attempt:
    """Runs a task while it holds the job, then settles the job."""

    def __init__(self, terms: Terms, lease: Lease, task: Task, *, claimed_s: float) -> None:
        """claimed_s: monotonic clock before the claim was sent, s: by this clock the lease ends no later."""
        self._terms, self._lease, self._task = terms, lease, task
        self._news: tuple[str, float] | None = None
        self._held_until_s = claimed_s + terms.lease_s
        self._beat_s = min(terms.lease_s / 3, BEAT_S)

    async def run(self) -> str:
        """How it ended, in a word for logs and metrics. Never raises for what the task does."""
        with self._terms.work.subscription() as bell:
            work = asyncio.create_task(self._work(bell))
            guard = asyncio.create_task(self._guard(bell))
            lapse = asyncio.create_task(self._lapse())
            drain = asyncio.create_task(self._terms.draining.wait())
            ended = await _first(work, guard, lapse, drain)
        if work in ended:
            return await self._settle(*self._judge(work))
        if guard in ended and guard.result() == Standing.CANCELLED:
            return await self._settle("cancelled", lambda tx: tx.queue.cancelled(self._lease))
        # Asked to end, or out of reach of the database for a whole lease; where it is another's by now, it stays so.
        return await self._settle("handed_back", lambda tx: tx.queue.hand_back(self._lease))

    async def _work(self, bell: asyncio.Event) -> BaseModel:
        def report(stage: str, progress: float) -> None:
            self._news = (stage, progress)
            bell.set()

        prefix = f"{FOLDER_PREFIX}{os.getpid()}-"
        with tempfile.TemporaryDirectory(prefix=prefix, dir=self._terms.folder) as name:
            return await self._task.run(self._lease, Path(name), report)

    async def _guard(self, bell: asyncio.Event) -> Standing:
        """Renew the lease and tell the news until the job is cancelled or another's."""
        while True:
            await wait_for(bell, self._beat_s)
            standing = await self._renew()
            if standing != Standing.HELD:
                return standing
            await asyncio.sleep(min(self._beat_s, NEWS_S))

    async def _lapse(self) -> None:
        """Return when the lease has ended, whether renewing it fails or hangs."""
        while (left_s := self._held_until_s - time.monotonic()) > 0:  # noqa: ASYNC110 - the end moves meanwhile
            await asyncio.sleep(left_s)

    async def _renew(self) -> Standing:
        asked_s, news = time.monotonic(), self._news
        try:
            async with self._terms.repository.transaction() as tx:
                standing = await tx.queue.renew(self._lease, self._terms.lease_s, news)
        except DatabaseUnavailable:
            return Standing.HELD  # `_lapse` tells when it is no more
        self._held_until_s = asked_s + self._terms.lease_s
        if self._news is news:
            self._news = None
        return standing

    def _judge(self, work: "asyncio.Task[BaseModel]") -> tuple[str, Settlement]:
        lease = self._lease
        try:
            result = work.result()
        except ChildRefused as refused:
            document = refused.problem.model_dump(mode="json") | {"instance": lease.headers.get(REQUEST_ID)}
            return "failed", lambda tx: tx.queue.fail(lease, document)
        except Unavailable as unavailable:
            return self._postpone(unavailable)
        except ProblemError as problem:
            return self._fail(problem)
        except ChildCrashed as crashed:
            return self._crash(str(crashed))
        except Exception as error:
            log.exception("job.broke")
            return self._crash(f"{type(error).__name__}: {error}")
        return "succeeded", lambda tx: _succeed(tx, lease, result)

    def _fail(self, problem: ProblemError) -> tuple[str, Settlement]:
        document = problem_document(problem, self._lease.headers.get(REQUEST_ID))
        return "failed", lambda tx: tx.queue.fail(self._lease, document)

    def _crash(self, reason: str) -> tuple[str, Settlement]:
        log.warning("job.crashed", reason=reason)
        return "crashed", lambda tx: tx.queue.crash(self._lease, reason, CRASH_DELAY_S)

    def _postpone(self, problem: Unavailable) -> tuple[str, Settlement]:
        if self._lease.postponed >= MAX_POSTPONEMENTS:
            return self._fail(problem)
        asked_s = float((problem.headers or {}).get("retry-after", 1))
        delay_s = min(MAX_DELAY_S, max(asked_s, 2.0**self._lease.postponed))
        return "postponed", lambda tx: tx.queue.postpone(self._lease, delay_s)

    async def _settle(self, end: str, settlement: Settlement) -> str:
        """Write the end down, unless the job is another's by now. Raises DatabaseUnavailable at last."""
        give_up_s = time.monotonic() + SETTLE_S
        while True:
            try:
                async with self._terms.repository.transaction() as tx:
                    return end if await settlement(tx) else "fenced"
            except DatabaseUnavailable:
                if time.monotonic() > give_up_s:
                    raise
            await asyncio.sleep(self._beat_s)


async def _first(*tasks: "asyncio.Task[Any]") -> "set[asyncio.Task[Any]]":
    """Those that ended first. The others are cancelled, and have ended too, whatever ends this wait."""
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return ended


async def _succeed(tx: Transaction, lease: Lease, result: BaseModel) -> bool:
    held = await tx.queue.succeed(lease, result.model_dump(mode="json"))
    detector_id = lease.own["detector_id"]
    if held and isinstance(result, TrainResult) and detector_id is not None:
        await tx.detectors.mark_trained(lease.tenant_id, detector_id, result.model_id, result.model_version)
    return held
