"""Use cases of jobs that are there: looked at, followed, cancelled, tried again, forgotten."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from fastapi import Response
from pynomaly_chassis.idempotency import Claim, CreatedAnswer, IdempotencyKeys, fingerprint
from pynomaly_chassis.jobs import Notifications, wait_for
from pynomaly_chassis.paging import PageRequest
from pynomaly_chassis.travelling import carried
from pynomaly_contracts.base import Page
from pynomaly_contracts.jobs import FINISHED, Job, JobAccepted, JobKind, JobState, JobSummary

from detector_service.repository import Repository, Transaction

log = structlog.get_logger()
JOBS = "/api/v1/jobs"
WATCH_POLL_S = 2.0


@dataclass(frozen=True)
class JobLimits:
    """time_limit_s: the longest that may be asked for, s; max_queued: how many jobs of a tenant may wait."""

    time_limit_s: float
    max_queued: int


@dataclass(frozen=True)
class JobFilter:
    """Which jobs are listed; None leaves a filter out. created_after <= created_at < created_before."""

    state: JobState | None = None
    kind: JobKind | None = None
    detector: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


class JobBook:
    """What is known of jobs."""

    def __init__(
        self, repository: Repository, keys: IdempotencyKeys, progress: Notifications, limits: Callable[[], JobLimits]
    ) -> None:
        """limits: those of now."""
        self._repository, self._keys, self._progress, self._limits = repository, keys, progress, limits

    async def get(self, tenant_id: str, job_id: UUID) -> Job:
        """Raises JobNotFound."""
        async with self._repository.transaction() as tx:
            return await tx.jobs.get(tenant_id, job_id)

    async def page(self, tenant_id: str, wanted: PageRequest, chosen: JobFilter) -> Page[Job]:
        """Newest first. Raises DetectorNotFound."""
        async with self._repository.transaction() as tx:
            detector_id = None if chosen.detector is None else await _detector_id(tx, tenant_id, chosen.detector)
            found = await tx.jobs.page(
                tenant_id,
                limit=wanted.limit + 1,
                before=wanted.before,
                state=chosen.state,
                kind=chosen.kind,
                detector_id=detector_id,
                created_after=chosen.created_after,
                created_before=chosen.created_before,
            )
        items, cursor = wanted.cut(found)
        return Page(items=items, next_cursor=cursor)

    async def summary(self, tenant_id: str) -> JobSummary:
        """How many jobs there are, by state."""
        async with self._repository.transaction() as tx:
            return await tx.jobs.summary(tenant_id, self._limits().max_queued)

    async def cancel(self, tenant_id: str, job_id: UUID) -> Job:
        """A queued job is cancelled at once, a running one within 2 s. Raises JobNotFound, JobFinished."""
        return await self._repository.run(lambda tx: tx.jobs.cancel(tenant_id, job_id))

    async def retry(self, tenant_id: str, job_id: UUID, idempotency_key: str | None) -> Response:
        """202 with a new job that does the same. Raises JobNotFound, JobNotRetriable, JobQueueFull."""

        async def again(tx: Transaction, claim: Claim) -> CreatedAnswer:
            retry_id = await tx.jobs.retry(tenant_id, job_id, headers=carried(), max_queued=self._limits().max_queued)
            answer = CreatedAnswer(JobAccepted(job_id=retry_id), status=202, location=f"{JOBS}/{retry_id}")
            await claim.finish(tx.connection, answer)
            return answer

        async def work(claim: Claim) -> CreatedAnswer:
            answer = await self._repository.run(lambda tx: again(tx, claim))
            log.info("job.retried", job_id=str(job_id), location=answer.location)
            return answer

        route, content = f"POST {JOBS}/{{job}}/retry", fingerprint(str(job_id))
        return await self._keys.once(idempotency_key, tenant_id=tenant_id, route=route, content=content, work=work)

    async def delete(self, tenant_id: str, job_id: UUID) -> None:
        """Forget a job that has ended. Raises JobNotFound, JobNotFinished, JobNeeded."""
        await self._repository.run(lambda tx: tx.jobs.delete(tenant_id, job_id))

    async def watch(self, tenant_id: str, job_id: UUID) -> AsyncIterator[Job]:
        """The job now and whenever it has changed, until it has ended. Raises JobNotFound."""
        seen: Job | None = None
        with self._progress.subscription(str(job_id)) as bell:
            while seen is None or seen.state not in FINISHED:
                job = await self.get(tenant_id, job_id)
                if seen is not None and _is_as(job, seen):
                    await wait_for(bell, WATCH_POLL_S)
                    continue
                seen = job
                yield job


def _is_as(job: Job, seen: Job) -> bool:
    """Whether nothing has changed but estimates."""
    place, before = job.queue, seen.queue
    stands = (None if place is None else place.position) == (None if before is None else before.position)
    return stands and job.model_copy(update={"queue": before}) == seen


async def _detector_id(tx: Transaction, tenant_id: str, ref: str) -> UUID:
    """An id is taken as it is: jobs of a detector that was deleted are found by it."""
    try:
        return UUID(ref)
    except ValueError:
        return (await tx.detectors.get(tenant_id, ref)).id
