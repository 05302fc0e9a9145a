"""One try at one job, under a lease that is renewed on the database's clock.

A try that cannot renew its lease stops before another may begin. One that was stopped itself, and wakes too late,
finds its fencing token refused.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import structlog
from pydantic import BaseModel
from pynomaly_contracts.headers import REQUEST_ID

from pynomaly_chassis.database import DatabaseUnavailable
from pynomaly_chassis.jobs.bells import Notifications, wait_for
from pynomaly_chassis.jobs.problems import JobTimeLimitReached
from pynomaly_chassis.jobs.queue import JobQueue, Lease, Standing
from pynomaly_chassis.problems import ProblemError, Unavailable, problem_document

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
Report = Callable[[str, float], None]
"""Tells the stage, in a word or two, and the share of the job that is done, in [0, 1]."""


class HasQueue(Protocol):
    """A transaction in which the queue can be spoken to."""

    @property
    def queue(self) -> JobQueue: ...


Tx = TypeVar("Tx", bound=HasQueue)
Tx_co = TypeVar("Tx_co", bound=HasQueue, covariant=True)
Settlement = Callable[[Tx], Awaitable[bool]]
Result = TypeVar("Result")


class Transactions(Protocol[Tx_co]):
    """A service's repository."""

    def transaction(self) -> AbstractAsyncContextManager[Tx_co]:
        """Committed at the end of the block, rolled back on any exception. Raises DatabaseUnavailable."""
        ...

    async def run(self, work: Callable[[Tx_co], Awaitable[Result]]) -> Result:
        """`work(tx)` in a transaction, all of it again where PostgreSQL took it back. Raises DatabaseUnavailable."""
        ...


class Task(Protocol):
    """One kind of work. Whatever it does twice, because a try was lost, has its effect once."""

    async def run(self, lease: Lease, folder: Path, report: Report) -> BaseModel:
        """Do it, with an empty folder to work in; the job's result."""
        ...


@dataclass(frozen=True)
class Terms(Generic[Tx]):
    """What every try of a worker shares.

    lease_s: length of a lease, s; folder: where tries make theirs; time_limit_s: the longest that a try may take, s,
    None without end; max_running: how many jobs of one tenant may run at a time, None any number.
    """

    repository: Transactions[Tx]
    work: Notifications
    draining: asyncio.Event
    lease_s: float
    folder: Path
    time_limit_s: float | None = None
    max_running: int | None = None


class Attempt(Generic[Tx]):
    """Runs a task while it holds the job, then settles the job.

    A service overrides `succeed` for what goes with a success, and `judge` for errors of its own.
    """

    def __init__(self, terms: Terms[Tx], lease: Lease, task: Task, *, claimed_s: float) -> None:
        """claimed_s: monotonic clock before the claim was sent, s: by this clock the lease ends no later."""
        self._terms, self.lease, self._task = terms, lease, task
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
            clock = asyncio.create_task(self._clock())
            ended = await _first(work, guard, lapse, drain, clock)
        if work in ended:
            return await self._settle(*self._end_of(work))
        if clock in ended:
            return await self._settle(*self.fail(self._too_long()))
        if guard in ended and guard.result() == Standing.CANCELLED:
            return await self._settle("cancelled", lambda tx: tx.queue.cancelled(self.lease))
        # Asked to end, or out of reach of the database for a whole lease; where it is another's by now, it stays so.
        return await self._settle("handed_back", lambda tx: tx.queue.hand_back(self.lease))

    async def _work(self, bell: asyncio.Event) -> BaseModel:
        def report(stage: str, progress: float) -> None:
            self._news = (stage, progress)
            bell.set()

        prefix = f"{FOLDER_PREFIX}{os.getpid()}-"
        with tempfile.TemporaryDirectory(prefix=prefix, dir=self._terms.folder) as name:
            return await self._task.run(self.lease, Path(name), report)

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
                standing = await tx.queue.renew(self.lease, self._terms.lease_s, news)
        except DatabaseUnavailable:
            return Standing.HELD  # `_lapse` tells when it is no more
        self._held_until_s = asked_s + self._terms.lease_s
        if self._news is news:
            self._news = None
        return standing

    async def _clock(self) -> None:
        """Return when the try has taken as long as it may."""
        limit_s = self._time_limit_s()
        await (asyncio.Event().wait() if limit_s is None else asyncio.sleep(limit_s))

    def _time_limit_s(self) -> float | None:
        limits = (self.lease.time_limit_s, self._terms.time_limit_s)
        return min((limit_s for limit_s in limits if limit_s is not None), default=None)

    def _too_long(self) -> JobTimeLimitReached:
        limit_s, most_s = self._time_limit_s(), self._terms.time_limit_s
        more = "whoever runs the suite can raise JOB_TIME_LIMIT_S"
        if limit_s != most_s:
            more = "ask again with a larger time_limit_s" + (f", at most {most_s:g}" if most_s else "")
        message = f"the job took longer than its limit of {limit_s:g} s and was ended; use less data, or {more}"
        return JobTimeLimitReached(message, limit_s=limit_s)

    def _end_of(self, work: "asyncio.Task[BaseModel]") -> tuple[str, Settlement[Tx]]:
        try:
            result = work.result()
        except Exception as error:
            return self.judge(error)
        return "succeeded", lambda tx: self.succeed(tx, result)

    async def succeed(self, tx: Tx, result: BaseModel) -> bool:
        """Store the result; False where the job is another's by now."""
        return await tx.queue.succeed(self.lease, result.model_dump(mode="json"))

    def judge(self, error: Exception) -> tuple[str, Settlement[Tx]]:
        """What follows from an error: the end in a word, and how it is written down."""
        if isinstance(error, Unavailable):
            return self._postpone(error)
        if isinstance(error, ProblemError):
            return self.fail(error)
        log.error("job.broke", exc_info=error)
        return self.crash(f"{type(error).__name__}: {error}")

    def fail(self, problem: ProblemError | dict[str, Any]) -> tuple[str, Settlement[Tx]]:
        """For good: trying again would not change it. problem: an error, or the document that one made."""
        instance = self.lease.headers.get(REQUEST_ID)
        document = (
            problem | {"instance": instance} if isinstance(problem, dict) else problem_document(problem, instance)
        )
        return "failed", lambda tx: tx.queue.fail(self.lease, document)

    def crash(self, reason: str) -> tuple[str, Settlement[Tx]]:
        """It may go well the next time."""
        log.warning("job.crashed", reason=reason)
        return "crashed", lambda tx: tx.queue.crash(self.lease, reason, CRASH_DELAY_S)

    def _postpone(self, problem: Unavailable) -> tuple[str, Settlement[Tx]]:
        if self.lease.postponed >= MAX_POSTPONEMENTS:
            return self.fail(problem)
        asked_s = float((problem.headers or {}).get("retry-after", 1))
        delay_s = min(MAX_DELAY_S, max(asked_s, 2.0**self.lease.postponed))
        return "postponed", lambda tx: tx.queue.postpone(self.lease, delay_s)

    async def _settle(self, end: str, settlement: Settlement[Tx]) -> str:
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
