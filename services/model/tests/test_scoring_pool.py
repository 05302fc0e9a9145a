"""The threads that score what is large."""

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator

import pytest
from model_service.errors import ScoringBusy
from model_service.scoring import ScoringPool


@pytest.fixture
def pool() -> Iterator[ScoringPool]:
    made = ScoringPool(n_threads=1, queue_size=1)
    yield made
    made.close()


async def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(pool: ScoringPool) -> None:
    gate = threading.Event()
    waiting = [asyncio.create_task(pool.run(gate.wait)) for _ in range(2)]
    await asyncio.wait(waiting, timeout=0)
    with pytest.raises(ScoringBusy) as refused:
        await pool.run(gate.wait)
    assert refused.value.headers == {"retry-after": "1"}
    gate.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert await pool.run(gate.wait) is True


async def test_a_waiter_that_is_cancelled_gives_its_place_back(pool: ScoringPool) -> None:
    gate = threading.Event()
    waiting = [asyncio.create_task(pool.run(gate.wait)) for _ in range(2)]
    await asyncio.wait(waiting, timeout=0)
    waiting[1].cancel()
    await asyncio.wait([waiting[1]])
    last = asyncio.create_task(pool.run(gate.wait))
    await asyncio.wait([last], timeout=0)
    gate.set()
    assert await last is True


async def test_what_is_cancelled_before_its_turn_is_not_kept_until_then(pool: ScoringPool) -> None:
    class Body:
        """What work holds."""

        def score(self) -> None:
            return None

    gate = threading.Event()
    running = asyncio.create_task(pool.run(gate.wait))
    await asyncio.wait([running], timeout=0)
    kept = []
    for _ in range(3):  # more than the queue has places
        body = Body()
        kept.append(weakref.ref(body))
        waiting = asyncio.create_task(pool.run(body.score))
        del body
        await asyncio.wait([waiting], timeout=0)
        waiting.cancel()
        await asyncio.wait([waiting])
        del waiting
    gc.collect()
    assert [body() for body in kept] == [None] * 3
    gate.set()
    assert await running is True


async def test_an_error_reaches_the_waiter(pool: ScoringPool) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0)
