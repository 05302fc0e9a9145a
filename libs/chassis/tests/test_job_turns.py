"""Nobody starves: tenants take turns, whatever each of them queues."""

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pynomaly_chassis.database import DatabaseUnavailable
from pynomaly_chassis.ids import new_id
from pynomaly_chassis.jobs import JobQueueFull, Lease, places
from pynomaly_chassis.jobs.claiming import STALLED_S
from pynomaly_chassis.jobs.places import position_of
from pynomaly_chassis.jobs.workers import Presence

if TYPE_CHECKING:
    from libs.chassis.tests.conftest import JobDatabase

TENANTS = ("a", "b", "c", "d")
Moves = list[tuple[str, str]]
MOVES = st.lists(
    st.tuples(st.sampled_from(["queue", "queue", "claim", "claim", "end", "hand back"]), st.sampled_from(TENANTS)),
    min_size=10,
    max_size=60,
)
ON_A_DATABASE = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


async def enqueue(repository: "JobDatabase", tenant_id: str, **more: Any) -> UUID:
    async with repository.transaction() as tx:
        return await tx.jobs.enqueue(tenant_id, "train", {}, headers={}, **more)


async def claim(repository: "JobDatabase", **terms: Any) -> Lease | None:
    async with repository.transaction() as tx:
        return await tx.queue.claim(30, **terms)


async def forget_everything(repository: "JobDatabase") -> None:
    async with repository.transaction() as tx:
        for table in (tx.tables.jobs, tx.tables.turns, tx.tables.workers):
            await tx.connection.execute(sa.delete(table))


class Ledger:
    """Who waits, and how many turns of others each has waited for."""

    def __init__(self, repository: "JobDatabase") -> None:
        self.repository = repository
        self.n_queued = dict.fromkeys(TENANTS, 0)
        self.n_turns = dict.fromkeys(TENANTS, 0)
        self.held: list[Lease] = []

    async def queue(self, tenant_id: str) -> None:
        await enqueue(self.repository, tenant_id)
        self._comes(tenant_id)

    async def claim(self, _: str) -> None:
        lease = await claim(self.repository)
        assert (lease is None) == (not any(self.n_queued.values()))
        if lease is None:
            return
        self.held.append(lease)
        self.n_queued[lease.tenant_id] -= 1
        for tenant_id, n_queued in self.n_queued.items():
            waits = n_queued > 0 and tenant_id != lease.tenant_id
            self.n_turns[tenant_id] = self.n_turns[tenant_id] + 1 if waits else 0
            assert self.n_turns[tenant_id] < len(TENANTS), f"{tenant_id} waits for {self.n_turns[tenant_id]} turns"

    async def end(self, _: str) -> None:
        if self.held:
            async with self.repository.transaction() as tx:
                assert await tx.queue.succeed(self.held.pop(0), {})

    async def hand_back(self, _: str) -> None:
        if self.held:
            lease = self.held.pop(0)
            async with self.repository.transaction() as tx:
                assert await tx.queue.hand_back(lease)
            self._comes(lease.tenant_id)

    def _comes(self, tenant_id: str) -> None:
        if not self.n_queued[tenant_id]:
            self.n_turns[tenant_id] = 0
        self.n_queued[tenant_id] += 1


@ON_A_DATABASE
@given(moves=MOVES)
async def test_of_k_tenants_none_waits_for_k_turns_whatever_the_others_do(
    repository: "JobDatabase", moves: Moves
) -> None:
    await forget_everything(repository)
    ledger = Ledger(repository)
    for move, tenant_id in moves + [("claim", "a")] * 3 * len(TENANTS):
        await getattr(ledger, move.replace(" ", "_"))(tenant_id)


@ON_A_DATABASE
@given(lines=st.lists(st.sampled_from(TENANTS), min_size=1, max_size=25), n_before=st.integers(0, 4))
async def test_a_job_begins_at_the_position_that_it_was_told(
    repository: "JobDatabase", lines: list[str], n_before: int
) -> None:
    await forget_everything(repository)
    queued = {await enqueue(repository, tenant_id): tenant_id for tenant_id in lines}
    for _ in range(min(n_before, len(lines))):
        lease = await claim(repository)
        assert lease is not None
        del queued[lease.job_id]
    told: dict[UUID, int] = {}
    async with repository.transaction() as tx:
        for tenant_id in set(queued.values()):
            told |= {
                job_id: place.position for job_id, place in (await places(tx.connection, tenant_id, queued)).items()
            }
    leases = [await claim(repository) for _ in queued]
    assert [lease.job_id for lease in leases if lease is not None] == sorted(queued, key=lambda job_id: told[job_id])
    assert sorted(told.values()) == list(range(1, len(queued) + 1))


def test_a_long_line_of_another_puts_a_job_back_by_its_turns_only() -> None:
    assert position_of("quiet", 1, [("busy", 10_000), ("quiet", 1)]) == 2
    assert position_of("quiet", 1, [("quiet", 1), ("busy", 10_000)]) == 1
    assert position_of("busy", 3, [("quiet", 1), ("busy", 3)]) == 4


async def test_a_tenant_at_its_limit_waits_while_others_go_on(repository: "JobDatabase") -> None:
    for tenant_id in ("busy", "busy", "busy", "quiet"):
        await enqueue(repository, tenant_id)
    leases = [await claim(repository, max_running=2) for _ in range(4)]
    assert [lease and lease.tenant_id for lease in leases] == ["busy", "quiet", "busy", None]
    async with repository.transaction() as tx:
        assert leases[0] is not None
        assert await tx.queue.succeed(leases[0], {})
    assert await claim(repository, max_running=2) is not None


async def test_a_dead_workers_job_counts_as_running_no_more(repository: "JobDatabase") -> None:
    await enqueue(repository, "busy")
    assert await claim(repository, max_running=1) is not None
    async with repository.transaction() as tx:
        past = sa.func.now() - sa.text("interval '1 second'")
        await tx.connection.execute(sa.update(tx.tables.jobs).values(leased_until=past))
    taken_over = await claim(repository, max_running=1)
    assert taken_over is not None
    assert taken_over.attempt == 2


async def test_a_claimer_that_stops_in_the_middle_of_a_claim_holds_others_up_for_seconds_only(
    repository: "JobDatabase",
) -> None:
    async def stop_in_the_middle() -> None:
        async with repository.transaction() as tx:
            assert await tx.queue.claim(30) is not None
            claimed.set()
            await others_went_on.wait()

    await enqueue(repository, "a")
    claimed, others_went_on = asyncio.Event(), asyncio.Event()
    stopped = asyncio.create_task(stop_in_the_middle())
    await claimed.wait()
    async with asyncio.timeout(10 * STALLED_S):  # the connection is idle meanwhile, and is ended
        lease = await claim(repository)
    others_went_on.set()
    with pytest.raises(DatabaseUnavailable):
        await stopped
    assert lease is not None
    assert lease.attempt == 1


async def test_one_job_too_many_is_refused_with_limit_and_count(repository: "JobDatabase") -> None:
    for _ in range(2):
        await enqueue(repository, "busy", max_queued=2)
    with pytest.raises(JobQueueFull, match="2 jobs wait already, and at most 2 may") as refused:
        await enqueue(repository, "busy", max_queued=2)
    assert refused.value.members == {"limit": 2, "queued": 2}
    assert refused.value.headers == {"retry-after": "30"}
    await enqueue(repository, "quiet", max_queued=2)


@pytest.mark.parametrize(
    ("free", "expected"), [(2, 0.0), (1, 5.0), (0, 10.0)], ids=["both idle", "one idle", "all busy"]
)
async def test_an_estimate_follows_from_recent_jobs_and_living_lanes(
    repository: "JobDatabase", free: int, expected: float
) -> None:
    async with repository.transaction() as tx:
        jobs = tx.tables.jobs
        await tx.jobs.enqueue("a", "train", {}, headers={})
        took = {"started_at": sa.text("now() - interval '10 seconds'"), "finished_at": sa.func.now()}
        await tx.connection.execute(sa.update(jobs).values(state="succeeded", **took))
        first, second = [await tx.jobs.enqueue("a", "train", {}, headers={}) for _ in range(2)]
        assert (await places(tx.connection, "a", [first]))[first].starts_in_s is None  # nobody works
        await tx.queue.workers.beat(Presence(new_id(), "worker", lanes=2, busy=2 - free))
        found = await places(tx.connection, "a", [first, second])
    assert found[second].starts_in_s == expected
    assert [found[first].position, found[second].position] == [1, 2]


async def test_workers_are_seen_while_they_tell_and_lost_when_they_do_not(repository: "JobDatabase") -> None:
    silent, leaving, alive = (Presence(new_id(), name, 2, 1) for name in ("silent", "leaving", "alive"))
    async with repository.transaction() as tx:
        workers = tx.tables.workers
        for worker in (silent, leaving, alive):
            await tx.queue.workers.beat(worker)
        await tx.queue.workers.leave(leaving.id)
        past = sa.func.now() - sa.text("interval '1 minute'")
        await tx.connection.execute(sa.update(workers).where(workers.c.id == silent.id).values(seen_at=past))
        seen = {worker.name: worker.alive for worker in await tx.queue.workers.all()}
    assert seen == {"silent": False, "alive": True}
