"""The loop that works on imports, inside the service's own process.

No process of its own: fetching waits for the network, and what computes runs in the threads, and under the limit,
that uploads have; a second process would cost every installation its memory at rest and a further deployment. What it
works under is what a process of its own would: a lease in the database, renewed while it lives and fenced, so that a
killed service's imports are another replica's, or its own after its start, and none is finished twice.
IMPORT_CONCURRENCY=0 keeps imports away from a replica.
"""

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from pynomaly_chassis.jobs import Attempt, Settlement, Task, Terms, Worker
from pynomaly_chassis.problems import NameTaken, ProblemError, Unavailable

from dataset_service.imports.repository import KIND, forget_secrets, tell
from dataset_service.imports.task import Prepared
from dataset_service.repository import Transaction

log = structlog.get_logger()
MAX_POSTPONEMENTS = 5
"""How often a source that is away is asked again: for about a minute."""


class ImportAttempt(Attempt[Transaction]):
    """One try at one import."""

    async def succeed(self, tx: Transaction, result: BaseModel) -> bool:
        """The row and the end of the job are one commit; where the job is another's by now, there is neither."""
        assert isinstance(result, Prepared)  # noqa: S101 - of ImportTask
        new = result.new
        try:
            async with tx.connection.begin_nested() as inserted:
                await tx.insert(new)
                if not await super().succeed(tx, result):
                    await inserted.rollback()
                    return False
                await tell(tx.connection, self.lease, {"n_rows": new.n_rows, "n_bytes": new.size_bytes})
        except NameTaken as problem:  # meanwhile: it was free when the import was asked for
            return await self.fail(problem)[1](tx)
        await forget_secrets(tx.connection, self.lease)
        return True

    def judge(self, error: Exception) -> tuple[str, Settlement[Transaction]]:
        """As every job's, with less patience; what is unexpected without its words, which may have the address."""
        if isinstance(error, Unavailable) and self.lease.postponed >= MAX_POSTPONEMENTS:
            return self.fail(error)
        if isinstance(error, ProblemError):
            return super().judge(error)
        log.error("import.broke", where=traceback.format_tb(error.__traceback__)[-3:], exc_info=False)
        return self.crash(type(error).__name__)

    def fail(self, problem: "ProblemError | dict[str, object]") -> tuple[str, Settlement[Transaction]]:
        """What may be secret in the address goes with the end."""
        end, settlement = super().fail(problem)

        async def settle(tx: Transaction) -> bool:
            is_held = await settlement(tx)
            await forget_secrets(tx.connection, self.lease)
            return is_held

        return end, settle


@asynccontextmanager
async def working(
    terms: Terms[Transaction], task: Task, *, lanes: int, poll_s: float, registry: CollectorRegistry
) -> AsyncIterator[None]:
    """Work on imports while the block runs; at its end what runs is stopped and handed back."""
    if lanes == 0:
        yield
        return
    worker = Worker(terms, {KIND: task}, lanes=lanes, poll_s=poll_s, registry=registry, attempt=ImportAttempt)
    async with terms.work.listening():
        loop = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.drain()
            await loop
