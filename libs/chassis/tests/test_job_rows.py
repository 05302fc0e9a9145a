"""Jobs as their owners see them: listed, counted, tried again, forgotten."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from pynomaly_chassis.ids import first_id_at, new_id, utc_now
from pynomaly_chassis.jobs import JobNotFinished, JobNotFound, JobNotRetriable, forget_ended

if TYPE_CHECKING:
    from libs.chassis.tests.conftest import JobDatabase


async def enqueue(repository: "JobDatabase", kind: str = "train", **more: Any) -> UUID:
    async with repository.transaction() as tx:
        return await tx.jobs.enqueue("t", kind, {"rows": 3}, headers={}, **more)


async def set_state(repository: "JobDatabase", job_id: UUID, state: str, days_ago: float = 0) -> None:
    ended = utc_now() - timedelta(days=days_ago)
    async with repository.transaction() as tx:
        jobs = tx.tables.jobs
        values = {"state": state, "finished_at": ended, "leased_until": ended}
        await tx.connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(values))


async def listed(repository: "JobDatabase", **chosen: Any) -> list[UUID]:
    async with repository.transaction() as tx:
        return [row["id"] for row in await tx.jobs.page("t", **{"limit": 100, **chosen})]


async def test_pages_go_through_all_jobs_once_newest_first(repository: "JobDatabase") -> None:
    made = [await enqueue(repository) for _ in range(7)]
    seen: list[UUID] = []
    while page := await listed(repository, limit=3, before=seen[-1] if seen else None):
        seen += page
    assert seen == made[::-1]


async def test_jobs_are_chosen_by_what_they_are_and_when_they_were_made(repository: "JobDatabase") -> None:
    note = new_id()
    first, second = await enqueue(repository, "train", note_id=note), await enqueue(repository, "evaluate")
    assert await listed(repository, equal={"kind": "train", "state": None}) == [first]
    assert await listed(repository, equal={"note_id": note, "state": "queued"}) == [first]
    async with repository.transaction() as tx:
        moment = (await tx.jobs.get("t", second))["created_at"]
    assert await listed(repository, created_after=moment) == [second]
    assert await listed(repository, created_before=moment) == [first]
    assert await listed(repository, created_after=moment, created_before=moment) == []


async def test_jobs_of_long_ago_are_found_by_when_they_were_made(repository: "JobDatabase") -> None:
    job_id, then = await enqueue(repository), datetime(2020, 5, 17, 12, tzinfo=UTC)
    old_id = UUID(int=first_id_at(then).int + (job_id.int & (2**64 - 1)))
    async with repository.transaction() as tx:
        await tx.connection.execute(sa.update(tx.tables.jobs).values(id=old_id, created_at=then))
    near = timedelta(seconds=1)
    assert await listed(repository, created_after=then - near, created_before=then + near) == [old_id]
    assert await listed(repository, created_after=then + near) == []


async def test_jobs_are_counted_by_state(repository: "JobDatabase") -> None:
    ids = [await enqueue(repository) for _ in range(3)]
    await set_state(repository, ids[0], "failed")
    async with repository.transaction() as tx:
        assert await tx.jobs.count("t") == {"queued": 2, "failed": 1}


@pytest.mark.parametrize("state", ["failed", "cancelled"])
async def test_a_job_that_came_to_nothing_is_tried_again_as_a_new_one(repository: "JobDatabase", state: str) -> None:
    note = new_id()
    job_id = await enqueue(repository, time_limit_s=5.0, note_id=note)
    await set_state(repository, job_id, state)
    async with repository.transaction() as tx:
        retry_id = await tx.jobs.retry("t", job_id, headers={"canary": "true"})
        retry, before = await tx.jobs.get("t", retry_id), await tx.jobs.get("t", job_id)
    told = ("state", "retry_of", "spec", "time_limit_s", "note_id", "headers", "attempts")
    assert [retry[name] for name in told] == ["queued", job_id, {"rows": 3}, 5.0, note, {"canary": "true"}, 0]
    assert before["state"] == state


async def test_asking_ten_times_at_once_tries_again_once(repository: "JobDatabase") -> None:
    job_id = await enqueue(repository)
    await set_state(repository, job_id, "failed")

    async def retry() -> UUID:
        async with repository.transaction() as tx:
            return await tx.jobs.retry("t", job_id, headers={})

    assert len(set(await asyncio.gather(*(retry() for _ in range(10))))) == 1
    assert len(await listed(repository)) == 2


@pytest.mark.parametrize(
    ("state", "words"),
    [("queued", "is queued; wait for its end"), ("running", "is running"), ("succeeded", "has succeeded")],
)
async def test_what_is_not_tried_again_is_refused_with_the_reason(
    repository: "JobDatabase", state: str, words: str
) -> None:
    job_id = await enqueue(repository)
    await set_state(repository, job_id, state)
    async with repository.transaction() as tx:
        with pytest.raises(JobNotRetriable, match=words):
            await tx.jobs.retry("t", job_id, headers={})


async def test_a_job_is_forgotten_once_it_has_ended_and_by_its_owner_alone(repository: "JobDatabase") -> None:
    job_id = await enqueue(repository)
    async with repository.transaction() as tx:
        with pytest.raises(JobNotFinished, match="cancel it first"):
            await tx.jobs.delete("t", job_id)
    await set_state(repository, job_id, "failed")
    async with repository.transaction() as tx:
        with pytest.raises(JobNotFound):
            await tx.jobs.delete("another", job_id)
        await tx.jobs.delete("t", job_id)
    assert await listed(repository) == []


async def test_jobs_that_ended_long_ago_are_forgotten_but_not_what_is_needed(repository: "JobDatabase") -> None:
    old, new, unfinished, needed = [await enqueue(repository) for _ in range(4)]
    for job_id, days in ((old, 31), (new, 29), (needed, 400)):
        await set_state(repository, job_id, "failed", days)
    async with repository.transaction() as tx:
        needs = tx.tables.jobs.c.id == needed
        assert await forget_ended(tx.connection, tx.tables, timedelta(days=30), unless=needs) == 1
    assert await listed(repository) == [needed, unfinished, new]


async def test_sweeps_at_once_and_an_open_transaction_do_not_wait_for_each_other(repository: "JobDatabase") -> None:
    ids = [await enqueue(repository) for _ in range(3)]
    for job_id in ids:
        await set_state(repository, job_id, "failed", 31)
    async with repository.transaction() as holder, repository.transaction() as sweeper:
        await holder.jobs.get("t", ids[0], lock=True)
        assert await forget_ended(sweeper.connection, sweeper.tables, timedelta(days=30)) == 2
    assert await listed(repository) == [ids[0]]
