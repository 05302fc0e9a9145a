"""The queue in PostgreSQL: who gets a job, who keeps it, who may finish it."""

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from pynomaly_chassis.jobs import MAX_CRASHES, Lease, Standing
from pynomaly_chassis.problems import Invalid, problem_document

if TYPE_CHECKING:
    from libs.chassis.tests.conftest import JobDatabase


async def enqueue(repository: "JobDatabase", tenant_id: str = "default") -> UUID:
    async with repository.transaction() as tx:
        return await tx.jobs.enqueue(tenant_id, "train", {"dataset": "x"}, headers={"canary": "true"})


async def claim(repository: "JobDatabase", lease_s: float = 30) -> Lease | None:
    async with repository.transaction() as tx:
        await tx.queue.end_hopeless()
        return await tx.queue.claim(lease_s)


async def held(repository: "JobDatabase", lease_s: float = 30) -> Lease:
    lease = await claim(repository, lease_s)
    assert lease is not None
    return lease


async def job_of(repository: "JobDatabase", job_id: UUID, tenant_id: str = "default") -> sa.RowMapping:
    async with repository.transaction() as tx:
        return await tx.jobs.get(tenant_id, job_id)


def seen(job: sa.RowMapping) -> dict[str, Any]:
    """What its owner sees of it."""
    return {name: value for name, value in job.items() if name != "leased_until"}


async def let_lease_end(repository: "JobDatabase", job_id: UUID) -> None:
    """The database's clock decides, so the lease is moved, not the clock."""
    past = sa.func.now() - sa.text("interval '1 second'")
    async with repository.transaction() as tx:
        jobs = tx.tables.jobs
        await tx.connection.execute(sa.update(jobs).where(jobs.c.id == job_id).values(leased_until=past))


async def test_forty_claimers_get_each_of_thirty_jobs_once(repository: "JobDatabase") -> None:
    wanted = {await enqueue(repository) for _ in range(30)}
    leases = await asyncio.gather(*(claim(repository) for _ in range(40)))
    claimed = [lease.job_id for lease in leases if lease is not None]
    assert len(claimed) == 30
    assert set(claimed) == wanted


async def test_the_worker_serves_all_tenants_in_the_order_of_asking(repository: "JobDatabase") -> None:
    first, second = await enqueue(repository, "one"), await enqueue(repository, "two")
    leases = [await held(repository), await held(repository)]
    assert [(lease.job_id, lease.tenant_id) for lease in leases] == [(first, "one"), (second, "two")]


async def test_a_tenant_with_a_long_queue_does_not_keep_another_waiting(repository: "JobDatabase") -> None:
    busy = [await enqueue(repository, "busy") for _ in range(4)]
    assert (await held(repository)).job_id == busy[0]
    quiet = [await enqueue(repository, "quiet") for _ in range(2)]
    turns = [(await held(repository)).job_id for _ in range(5)]
    assert turns == [quiet[0], busy[1], quiet[1], busy[2], busy[3]]


async def test_a_claim_carries_spec_and_travelling_headers(repository: "JobDatabase") -> None:
    await enqueue(repository)
    lease = await held(repository)
    assert lease.spec == {"dataset": "x"}
    assert lease.headers == {"canary": "true"}


async def test_a_job_whose_lease_ended_is_taken_over_with_a_new_fencing_token(repository: "JobDatabase") -> None:
    job_id = await enqueue(repository)
    stalled = await held(repository)
    assert await claim(repository) is None
    await let_lease_end(repository, job_id)
    successor = await held(repository)
    assert (stalled.attempt, successor.attempt) == (1, 2)


@pytest.mark.parametrize("ending", ["succeed", "fail", "cancelled", "hand_back", "postpone", "crash"])
async def test_who_lost_the_job_cannot_settle_it(repository: "JobDatabase", ending: str) -> None:
    job_id = await enqueue(repository)
    stalled = await held(repository)
    await let_lease_end(repository, job_id)
    successor = await held(repository)
    arguments: dict[str, tuple[Any, ...]] = {
        "succeed": ({},),
        "fail": ({},),
        "postpone": (1.0,),
        "crash": ("late", 1.0),
    }
    before = seen(await job_of(repository, job_id))
    async with repository.transaction() as tx:
        assert await tx.queue.renew(stalled, 30, ("late", 0.9)) == Standing.LOST
        assert await getattr(tx.queue, ending)(stalled, *arguments.get(ending, ())) is False
        assert await tx.queue.renew(successor, 30) == Standing.HELD
    assert seen(await job_of(repository, job_id)) == before


async def test_a_lease_that_ended_is_still_the_holders_until_somebody_takes_it(repository: "JobDatabase") -> None:
    job_id = await enqueue(repository)
    lease = await held(repository)
    await let_lease_end(repository, job_id)
    async with repository.transaction() as tx:
        assert await tx.queue.renew(lease, 30) == Standing.HELD
    assert await claim(repository) is None


async def test_a_renewed_lease_is_told_when_its_job_is_to_be_cancelled(repository: "JobDatabase") -> None:
    job_id = await enqueue(repository)
    lease = await held(repository)
    async with repository.transaction() as tx:
        assert (await tx.jobs.cancel("default", job_id))["state"] == "running"
        assert await tx.queue.renew(lease, 30) == Standing.CANCELLED
        assert await tx.queue.cancelled(lease)
    assert (await job_of(repository, job_id))["state"] == "cancelled"


@pytest.mark.parametrize("ending", ["hand_back", "postpone", "crash"])
async def test_a_job_that_is_queued_again_while_it_is_cancelled_does_not_run_again(
    repository: "JobDatabase", ending: str
) -> None:
    job_id = await enqueue(repository)
    lease = await held(repository)
    arguments: dict[str, tuple[Any, ...]] = {"postpone": (0.0,), "crash": ("killed", 0.0)}
    async with repository.transaction() as tx:
        await tx.jobs.cancel("default", job_id)
        await getattr(tx.queue, ending)(lease, *arguments.get(ending, ()))
    assert await claim(repository) is None
    assert (await job_of(repository, job_id))["state"] == "cancelled"


async def test_a_cancelled_job_whose_worker_died_is_cancelled_not_taken_over(repository: "JobDatabase") -> None:
    job_id = await enqueue(repository)
    await held(repository)
    async with repository.transaction() as tx:
        await tx.jobs.cancel("default", job_id)
    await let_lease_end(repository, job_id)
    assert await claim(repository) is None
    assert (await job_of(repository, job_id))["state"] == "cancelled"


async def test_three_lost_workers_quarantine_a_job_with_the_reason(repository: "JobDatabase") -> None:
    job_id = await enqueue(repository)
    for _ in range(MAX_CRASHES):
        await held(repository)
        await let_lease_end(repository, job_id)
    assert await claim(repository) is None
    job = await job_of(repository, job_id)
    assert (job["state"], job["attempts"]) == ("failed", 3)
    assert job["problem"]["type"] == "/problems/job-quarantined"
    assert "its worker stopped answering" in job["problem"]["detail"]


async def test_three_reported_crashes_quarantine_a_job_with_the_last_reason(repository: "JobDatabase") -> None:
    job_id = await enqueue(repository)
    for number in range(MAX_CRASHES):
        lease = await held(repository)
        async with repository.transaction() as tx:
            assert await tx.queue.crash(lease, f"signal SIGKILL, {number}", 0.0)
    job = await job_of(repository, job_id)
    assert job["problem"]["type"] == "/problems/job-quarantined"
    assert "signal SIGKILL, 2" in job["problem"]["detail"]


async def test_a_job_fails_with_a_text_of_its_data_that_postgresql_cannot_store(repository: "JobDatabase") -> None:
    job_id = await enqueue(repository)
    problem = Invalid.field("label", "a\0b", "'a\\x00b' is not a label, nor is a\0b or \\u0000")
    async with repository.transaction() as tx:
        lease = await tx.queue.claim(30)
        assert lease is not None
        assert await tx.queue.fail(lease, problem_document(problem))
    job = await job_of(repository, job_id)
    assert job["problem"]["errors"][0]["value"] == "a\ufffdb"
    assert job["problem"]["detail"].startswith("label: 'a\\x00b' is not a label, nor is a\ufffdb or")


async def test_last_words_that_postgresql_cannot_store_are_no_obstacle_to_a_crash(repository: "JobDatabase") -> None:
    job_id = await enqueue(repository)
    for _ in range(MAX_CRASHES):
        lease = await held(repository)
        async with repository.transaction() as tx:
            assert await tx.queue.crash(lease, "it said: \0", 0.0)
    job = await job_of(repository, job_id)
    assert "it said: \ufffd" in job["problem"]["detail"]


async def test_handing_back_and_waiting_for_a_peer_are_no_crashes(repository: "JobDatabase") -> None:
    job_id = await enqueue(repository)
    for _ in range(MAX_CRASHES + 2):
        handed = await held(repository)
        async with repository.transaction() as tx:
            assert await tx.queue.hand_back(handed)
        waited = await held(repository)
        async with repository.transaction() as tx:
            assert await tx.queue.postpone(waited, 0.0)
    job = await job_of(repository, job_id)
    assert (job["state"], job["attempts"]) == ("queued", 2 * (MAX_CRASHES + 2))


async def test_a_postponed_job_is_not_claimed_before_its_time(repository: "JobDatabase") -> None:
    await enqueue(repository)
    lease = await held(repository)
    async with repository.transaction() as tx:
        await tx.queue.postpone(lease, 60.0)
    assert await claim(repository) is None
