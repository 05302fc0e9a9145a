"""Routes of jobs."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Query, Response
from pydantic import AfterValidator, AwareDatetime
from pynomaly_chassis.app import json_router
from pynomaly_chassis.idempotency import IdempotencyKey
from pynomaly_chassis.identity import CurrentCaller
from pynomaly_chassis.paging import Paging
from pynomaly_contracts.base import Page
from pynomaly_contracts.jobs import Job, JobAccepted, JobKind, JobState, JobSummary
from sse_starlette import EventSourceResponse, ServerSentEvent

from detector_service.api.dependencies import Jobs
from detector_service.service.job_book import JobFilter

router = json_router("/jobs", "jobs")
HEARTBEAT_S = 10
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def _in_reach(moment: datetime) -> datetime:
    """Not so near to the ends of time that nothing can be added or taken away."""
    if not _FIRST <= moment <= _LAST:
        raise ValueError("must be from 1970 to 9000")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_in_reach)]
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Event `progress` with the job whenever it has changed, at last event `end`; comments between.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def _chosen(
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    kind: Annotated[JobKind | None, Query(description="Only jobs of this kind.")] = None,
    detector: Annotated[
        str | None, Query(min_length=1, max_length=128, description="Only jobs of this detector, by id or name.")
    ] = None,
    created_after: Annotated[Moment | None, Query(description="At this moment or later, RFC 3339.")] = None,
    created_before: Annotated[Moment | None, Query(description="Before this moment, RFC 3339.")] = None,
) -> JobFilter:
    return JobFilter(state, kind, detector, created_after, created_before)


@router.get("", summary="List jobs")
async def list_jobs(
    caller: CurrentCaller, jobs: Jobs, paging: Paging, chosen: Annotated[JobFilter, Depends(_chosen)]
) -> Page[Job]:
    """Newest first."""
    return await jobs.page(caller.tenant_id, paging, chosen)


@router.get("/summary", summary="How many jobs there are")
async def summarise_jobs(caller: CurrentCaller, jobs: Jobs) -> JobSummary:
    """By state, and how many may wait."""
    return await jobs.summary(caller.tenant_id)


@router.get("/{job_id}", summary="One job")
async def get_job(job_id: UUID, caller: CurrentCaller, jobs: Jobs) -> Job:
    """State, stage and progress; the result once it has succeeded, the problem once it has failed."""
    return await jobs.get(caller.tenant_id, job_id)


@router.get("/{job_id}/events", response_class=EventSourceResponse, responses=_EVENTS, summary="Follow a job")
async def follow_job(
    job_id: UUID,
    caller: CurrentCaller,
    jobs: Jobs,
    last_event_id: Annotated[str | None, Header(description="The last event that was seen.")] = None,
) -> Response:
    """Server-sent events until the job has ended. A reader that comes back misses no state, only repetitions."""
    await jobs.get(caller.tenant_id, job_id)
    events = _events(jobs.watch(caller.tenant_id, job_id), last_event_id)
    return EventSourceResponse(events, ping=HEARTBEAT_S, sep="\n")


@router.post("/{job_id}/cancel", summary="Cancel a job")
async def cancel_job(job_id: UUID, caller: CurrentCaller, jobs: Jobs) -> Job:
    """At once where it waits, within 2 s where it runs. Asking again changes nothing; an ended job is a 409."""
    return await jobs.cancel(caller.tenant_id, job_id)


@router.post("/{job_id}/retry", status_code=202, response_model=JobAccepted, summary="Try a job again")
async def retry_job(job_id: UUID, caller: CurrentCaller, jobs: Jobs, key: IdempotencyKey = None) -> Response:
    """A new job that does what a failed or cancelled one was to do. Asking again gives the same new job."""
    return await jobs.retry(caller.tenant_id, job_id, key)


@router.delete("/{job_id}", status_code=204, summary="Forget a job")
async def delete_job(job_id: UUID, caller: CurrentCaller, jobs: Jobs) -> None:
    """Of one that has ended. A training stays as long as its detector: the lineage of its model names it."""
    await jobs.delete(caller.tenant_id, job_id)


async def _events(changes: AsyncIterator[Job], seen: str | None) -> AsyncIterator[ServerSentEvent]:
    content, event_id = "", ""
    async for job in changes:
        content, event_id = job.model_dump_json(), job.updated_at.isoformat()
        if event_id != seen:
            yield _event("progress", content, event_id)
    yield _event("end", content, event_id)


def _event(name: str, content: str, event_id: str) -> ServerSentEvent:
    return ServerSentEvent(content, event=name, id=event_id, sep="\n")
