"""Jobs, work that outlives its request: `client.jobs`, and the handles that starting one returns."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import aclosing
from datetime import datetime
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar
from uuid import UUID

from pynomaly_contracts.base import Page
from pynomaly_contracts.imports import Import
from pynomaly_contracts.jobs import (
    FINISHED,
    DetectBatchResult,
    EvaluateResult,
    Job,
    JobAccepted,
    JobKind,
    JobState,
    JobSummary,
    TrainResult,
)

from pynomaly.core.blocking import Blocking, blocking, iterating, run
from pynomaly.core.call import Call, an, delete, get, nothing, path_of, text_of
from pynomaly.core.paging import every
from pynomaly.core.session import Session
from pynomaly.core.sse import events
from pynomaly.errors import JobCancelled, JobFailed, StillRunning, UnexpectedAnswer
from pynomaly.progress import Show, progress_bar

P = ParamSpec("P")
Core = TypeVar("Core")
JobResult = TrainResult | EvaluateResult | DetectBatchResult
R = TypeVar("R", bound=TrainResult | EvaluateResult | DetectBatchResult)

Followed = TypeVar("Followed", Job, Import)

FIRST_POLL_S, LONGEST_POLL_S, POLL_GROWTH = 0.05, 1.0, 1.4


class AsyncJobHandle(Generic[R]):
    """A job that was started."""

    def __init__(self, session: Session, job_id: UUID) -> None:
        self._session, self.id = session, job_id

    async def state(self) -> Job:
        """The job as it is now."""
        return await self._session.send(get(an(Job), "jobs", self.id))

    async def cancel(self) -> Job:
        """Ask it to stop; it does within seconds. Raises Conflict when it has ended."""
        return await self._session.send(Call("POST", path_of(["jobs", self.id, "cancel"]), an(Job)))

    async def wait(self, timeout_s: float | None = None, *, progress: bool | None = None) -> R:
        """Its result, once it has succeeded. Raises JobFailed, JobCancelled or StillRunning.

        progress: show a bar; without, where standard error is a terminal. Ctrl-C stops the waiting, not the job.
        """
        again = f"`pynomaly jobs wait {self.id}` waits for it again"
        job = await followed(self.state, self._session, timeout_s, progress, again)
        if job.result is None:
            raise UnexpectedAnswer(f"{job.kind} job {job.id} succeeded without a result")
        return job.result  # type: ignore[return-value]  # the kind of the job decides which


async def followed(
    state: Callable[[], Awaitable[Followed]],
    session: Session,
    timeout_s: float | None,
    progress: bool | None,
    again: str,
) -> Followed:
    """The job, once it has succeeded. Raises JobFailed, JobCancelled or StillRunning. again: how to come back to it."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    with progress_bar(progress) as show:
        try:
            job = await _finished(state, session, deadline, show)
        except (KeyboardInterrupt, asyncio.CancelledError) as stop:
            stop.add_note(f"it goes on; {again}")
            raise
    if job.state not in FINISHED:
        raise StillRunning(job, timeout_s or 0.0)
    if job.state == "failed":
        raise JobFailed(job)
    if job.state == "cancelled":
        raise JobCancelled(job)
    return job


async def _finished(
    state: Callable[[], Awaitable[Followed]], session: Session, deadline: float | None, show: Show
) -> Followed:
    """The job when it has ended, or as it is at the deadline."""
    pause_s = FIRST_POLL_S
    while True:
        job = await state()
        show(job)
        left_s = LONGEST_POLL_S if deadline is None else deadline - time.monotonic()
        if job.state in FINISHED or left_s <= 0:
            return job
        await session.wire.sleep(min(pause_s, left_s))
        pause_s = min(pause_s * POLL_GROWTH, LONGEST_POLL_S)


class JobHandle(Blocking[AsyncJobHandle[R]], Generic[R]):
    """A job that was started."""

    @property
    def id(self) -> UUID:
        return self.core.id

    def state(self) -> Job:
        """The job as it is now."""
        return run(self.core.state())

    def cancel(self) -> Job:
        """Ask it to stop; it does within seconds. Raises Conflict when it has ended."""
        return run(self.core.cancel())

    def wait(self, timeout_s: float | None = None, *, progress: bool | None = None) -> R:
        """Its result, once it has succeeded. Raises JobFailed, JobCancelled or StillRunning.

        progress: show a bar; without, where standard error is a terminal. Ctrl-C stops the waiting, not the job.
        """
        return run(self.core.wait(timeout_s, progress=progress))


def starting(
    method: Callable[Concatenate[Core, P], Coroutine[Any, Any, AsyncJobHandle[R]]],
) -> Callable[Concatenate[Blocking[Core], P], JobHandle[R]]:
    """A method that starts a job, blocking until the job is accepted."""

    def call(self: Blocking[Core], /, *args: P.args, **kwargs: P.kwargs) -> JobHandle[R]:
        return JobHandle(run(method(self.core, *args, **kwargs)))

    return update_wrapper(call, method)


class AsyncJobs:
    """Look at jobs, follow them, cancel them, try them again, forget them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, job: UUID | str) -> Job:
        """One job as it is now. Raises NotFound."""
        return await self._session.send(get(an(Job), "jobs", job))

    async def handle(self, job: UUID | str) -> AsyncJobHandle[JobResult]:
        """A handle to wait for a job that was started elsewhere. Raises NotFound."""
        return AsyncJobHandle(self._session, (await self.get(job)).id)

    async def cancel(self, job: UUID | str) -> Job:
        """Ask it to stop. Raises Conflict when it has ended."""
        return await self._session.send(Call("POST", path_of(["jobs", job, "cancel"]), an(Job)))

    async def events(self, job: UUID | str) -> AsyncIterator[Job]:
        """The job each time it moves, until it has ended, as the suite pushes it (SSE)."""
        read = an(Job)
        call = Call("GET", path_of(["jobs", job, "events"]), nothing, accept="text/event-stream")
        async with self._session.streaming(call) as chunks, aclosing(events(chunks)) as pushed:
            async for name, body in pushed:
                if name == "end":
                    return
                if name == "progress":
                    yield read(body)

    async def retry(self, job: UUID | str) -> AsyncJobHandle[JobResult]:
        """A new job that does what one that failed or was cancelled was to do; asking again gives the same.

        Raises NotFound, and Conflict where there is nothing to try again.
        """
        accepted = await self._session.send(
            Call("POST", path_of(["jobs", job, "retry"]), an(JobAccepted), creates=True)
        )
        return AsyncJobHandle(self._session, accepted.job_id)

    async def delete(self, job: UUID | str) -> None:
        """Forget a job that has ended. Raises Conflict: it has not, or is a training whose detector is there."""
        await self._session.send(delete("jobs", job))

    async def summary(self) -> JobSummary:
        """How many jobs there are, by state."""
        return await self._session.send(get(an(JobSummary), "jobs", "summary"))

    async def list(
        self,
        *,
        state: JobState | None = None,
        kind: JobKind | None = None,
        detector: UUID | str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> AsyncIterator[Job]:
        """Every job, newest first; pages are fetched as they are needed. Moments without a zone are local ones."""
        chosen = {
            "state": state,
            "kind": kind,
            "detector": None if detector is None else text_of(detector),
            "created_after": _moment(created_after),
            "created_before": _moment(created_before),
        }
        async for job in every(self._session, an(Page[Job]), "jobs", query=chosen):
            yield job


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone().isoformat()


class Jobs(Blocking[AsyncJobs]):
    """Look at jobs, follow them, cancel them, try them again, forget them."""

    get = blocking(AsyncJobs.get)
    handle = starting(AsyncJobs.handle)
    cancel = blocking(AsyncJobs.cancel)
    retry = starting(AsyncJobs.retry)
    delete = blocking(AsyncJobs.delete)
    summary = blocking(AsyncJobs.summary)
    events = iterating(AsyncJobs.events)
    list = iterating(AsyncJobs.list)
