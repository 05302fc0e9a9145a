"""The loop that works on imports, inside the service's own process.

No process of its own: fetching waits for the network, and what computes runs in the threads, and under the limit,
that uploads have; a second process would cost every installation its memory at rest and a further deployment. What it
works under is what a process of its own would: a lease in the database, renewed while it lives and fenced, so that a
killed service's imports are another replica's, or its own after its start, and none is finished twice.
IMPORT_CONCURRENCY=0 keeps imports away from a replica.
"""

import asyncio
import contextlib
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import structlog
from pynomaly_chassis.database import DatabaseUnavailable
from pynomaly_chassis.jobs import Lease, Notifications, Standing, wait_for
from pynomaly_chassis.problems import ProblemError, Unavailable, problem_document
from pynomaly_chassis.travelling import carrying
from pynomaly_contracts.headers import REQUEST_ID

from dataset_service.imports.repository import forget_secrets, queue, tell
from dataset_service.imports.task import ImportTask, News
from dataset_service.repository import DatasetRepository, NewDataset, Transaction

log = structlog.get_logger()
MAX_POSTPONEMENTS = 5
MAX_DELAY_S = 60.0
CRASH_DELAY_S = 1.0
BEAT_S = 1.0
"""Longest time between two looks at the lease, s: how long a cancel may take where its notification is lost."""
NEWS_S = 0.2
"""Shortest time between two reports of progress, s."""
SETTLE_S = 60.0
"""How long an end is tried to be written down while the database is away, s."""
Settlement = Callable[[Transaction], Awaitable[bool]]


@dataclass(frozen=True)
class Terms:
    """How imports are worked on: so many at once, under leases of lease_s, looked for every poll_s at least."""

    concurrency: int
    lease_s: float
    poll_s: float


class ImportWorker:
    """Works on the imports of all tenants."""

    def __init__(self, repository: DatasetRepository, task: ImportTask, bells: Notifications, terms: Terms) -> None:
        self._repository, self._task, self._bells, self._terms = repository, task, bells, terms
        self._draining = asyncio.Event()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work while the block runs; at its end what runs is stopped and handed back."""
        if self._terms.concurrency == 0:
            yield
            return
        async with self._bells.listening():
            lanes = asyncio.gather(*(self._lane() for _ in range(self._terms.concurrency)))
            try:
                yield
            finally:
                self._draining.set()
                self._bells.ring()
                await lanes

    async def _lane(self) -> None:
        with self._bells.subscription() as bell:
            while not self._draining.is_set():
                if not await self._work_once():
                    await wait_for(bell, self._terms.poll_s)

    async def _work_once(self) -> bool:
        """Whether there was an import. A lane outlives every import and every outage."""
        try:
            claimed_s = time.monotonic()
            lease = await self._repository.run(self._claim)
            if lease is None:
                return False
            await self._carry_out(lease, claimed_s)
        except DatabaseUnavailable as error:
            log.warning("imports.database_unavailable", error=str(error))
            return False
        except Exception:
            log.exception("imports.lane_failed")
            return False
        return True

    async def _claim(self, tx: Transaction) -> Lease | None:
        jobs = queue(tx.connection)
        await jobs.end_hopeless()
        return await jobs.claim(self._terms.lease_s)

    async def _carry_out(self, lease: Lease, claimed_s: float) -> None:
        known = {"job_id": str(lease.job_id), "attempt": lease.attempt, "request_id": lease.headers.get(REQUEST_ID)}
        with structlog.contextvars.bound_contextvars(**known), carrying(lease.headers):
            log.info("import.started")
            end = await Attempt(self._repository, self._task, self._terms, lease).run(
                self._bells, self._draining, claimed_s
            )
            log.info("import.attempt_ended", end=end)


class Attempt:
    """One try at one import while its lease is held, then its settlement."""

    def __init__(self, repository: DatasetRepository, task: ImportTask, terms: Terms, lease: Lease) -> None:
        self._repository, self._task, self._lease = repository, task, lease
        self._lease_s, self._beat_s = terms.lease_s, min(terms.lease_s / 3, BEAT_S)
        self._news: News | None = None

    async def run(self, bells: Notifications, draining: asyncio.Event, claimed_s: float) -> str:
        """How it ended, in a word. claimed_s: the monotonic clock before the claim was sent, s."""
        with bells.subscription() as bell:
            work = asyncio.create_task(self._work(bell))
            guard = asyncio.create_task(self._guard(bell, claimed_s + self._lease_s))
            ended = await _first(work, guard, asyncio.create_task(draining.wait()))
        if work in ended:
            return await self._settle(*self._judge(work))
        if guard in ended and guard.result() == Standing.CANCELLED:
            return await self._settle("cancelled", lambda tx: queue(tx.connection).cancelled(self._lease))
        return await self._settle("handed_back", lambda tx: queue(tx.connection).hand_back(self._lease))

    async def _work(self, bell: asyncio.Event) -> NewDataset:
        def report(news: News) -> None:
            self._news = news
            bell.set()

        return await self._task.run(self._lease, report)

    async def _guard(self, bell: asyncio.Event, held_until_s: float) -> Standing:
        """Renew the lease and tell the news until the import is cancelled or another's, or the lease has ended."""
        while (left_s := held_until_s - time.monotonic()) > 0:
            await wait_for(bell, min(self._beat_s, left_s))
            asked_s = time.monotonic()
            with contextlib.suppress(DatabaseUnavailable, TimeoutError):
                async with asyncio.timeout(max(0.0, held_until_s - asked_s)):
                    standing = await self._renew()
                if standing != Standing.HELD:
                    return standing
                held_until_s = asked_s + self._lease_s
            await asyncio.sleep(min(self._beat_s, NEWS_S))
        return Standing.LOST

    async def _renew(self) -> Standing:
        news, self._news = self._news, None
        async with self._repository.transaction() as tx:
            said = None if news is None else (news.stage, news.progress)
            standing = await queue(tx.connection).renew(self._lease, self._lease_s, said)
            if news is not None and standing != Standing.LOST:
                await tell(tx.connection, self._lease, _counts(news))
        return standing

    def _judge(self, work: "asyncio.Task[NewDataset]") -> tuple[str, Settlement]:
        lease = self._lease
        try:
            new = work.result()
        except Unavailable as problem:
            return self._postpone(problem)
        except ProblemError as problem:
            return self._fail(problem)
        except Exception as error:
            # Without its words: they may have the address, and what is secret in it.
            where = "".join(traceback.format_tb(error.__traceback__)[-3:])
            reason = type(error).__name__
            log.error("import.broke", error=reason, where=where)  # noqa: TRY400 - as the line above says
            return "crashed", lambda tx: queue(tx.connection).crash(lease, reason, CRASH_DELAY_S)
        return "succeeded", lambda tx: self._succeed(tx, new)

    async def _succeed(self, tx: Transaction, new: NewDataset) -> bool:
        """The fence first: whoever passes it has the row to himself, and both are one commit."""
        if not await queue(tx.connection).succeed(self._lease, {"dataset_id": str(new.id)}):
            return False
        await tell(tx.connection, self._lease, {"n_rows": new.n_rows, "n_bytes": new.size_bytes})
        await tx.insert(new)
        return True

    def _fail(self, problem: ProblemError) -> tuple[str, Settlement]:
        document = problem_document(problem, self._lease.headers.get(REQUEST_ID))
        return "failed", lambda tx: queue(tx.connection).fail(self._lease, document)

    def _postpone(self, problem: Unavailable) -> tuple[str, Settlement]:
        if self._lease.postponed >= MAX_POSTPONEMENTS:
            return self._fail(problem)
        asked_s = float((problem.headers or {}).get("retry-after", 1))
        delay_s = min(MAX_DELAY_S, max(asked_s, 2.0**self._lease.postponed))
        return "postponed", lambda tx: queue(tx.connection).postpone(self._lease, delay_s)

    async def _settle(self, end: str, settlement: Settlement) -> str:
        """Write the end down, unless the import is another's by now. Raises DatabaseUnavailable at last."""

        async def settle(tx: Transaction) -> bool:
            is_held = await settlement(tx)
            await forget_secrets(tx.connection, self._lease)
            return is_held

        give_up_s = time.monotonic() + SETTLE_S
        while True:
            try:
                return end if await self._repository.run(settle) else "fenced"
            except DatabaseUnavailable:
                if time.monotonic() > give_up_s:
                    raise
            except ProblemError as problem:  # the name was taken meanwhile
                end, settlement = self._fail(problem)
                continue
            await asyncio.sleep(self._beat_s)


def _counts(news: News) -> dict[str, Any]:
    return {name: value for name, value in asdict(news).items() if name in ("n_bytes", "total_bytes", "n_rows")}


async def _first(*tasks: "asyncio.Task[Any]") -> "set[asyncio.Task[Any]]":
    """Those that ended first. The others are cancelled, and have ended too, whatever ends this wait."""
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return ended
