"""Alarms keep the rules of asyncio.timeout."""

from __future__ import annotations

import asyncio
import threading

import pytest
from pynomaly_resilience.alarm import GRAIN_S, Alarm, clockwork

FOREVER_S = 3600.0


async def hang() -> None:
    await asyncio.Event().wait()


async def rung_after(limit_s: float) -> float:
    """Seconds until an alarm of `limit_s` rang."""
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    with pytest.raises(TimeoutError), Alarm(limit_s):
        await hang()
    return loop.time() - began_s


async def test_what_hangs_is_interrupted_in_time_and_the_task_lives_on() -> None:
    assert 0.02 <= await rung_after(0.02) < 1.0
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_an_alarm_stopped_in_time_never_rings() -> None:
    with Alarm(0.01) as alarm:
        pass
    await rung_after(0.03)  # a later one has rung
    assert not alarm.rang


async def test_what_is_already_late_ends_at_its_next_await() -> None:
    assert await rung_after(0.0) < 1.0


async def test_a_shorter_alarm_does_not_wait_for_a_longer_one() -> None:
    with Alarm(FOREVER_S):
        assert await rung_after(0.01) < 1.0


async def test_the_inner_of_two_alarms_leaves_the_outer_one_running() -> None:
    async def twice() -> None:
        with Alarm(0.05):
            await rung_after(0.01)
            await hang()

    with pytest.raises(TimeoutError):
        await twice()


async def test_when_both_of_two_alarms_ring_the_outer_one_tells() -> None:
    async def nested() -> None:
        with Alarm(0.01):
            with Alarm(0.01):
                await hang()
            raise AssertionError("not reached")

    with pytest.raises(TimeoutError):
        await nested()


async def test_a_cancellation_by_others_passes_untouched() -> None:
    async def guarded() -> None:
        with Alarm(FOREVER_S):
            await hang()

    task = asyncio.create_task(guarded())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_cancellation_by_others_wins_over_an_alarm_that_rings_in_the_same_moment() -> None:
    async def guarded() -> None:
        with Alarm(FOREVER_S) as alarm:
            alarms.append(alarm)
            await hang()

    alarms: list[Alarm] = []
    task = asyncio.create_task(guarded())
    await asyncio.sleep(0)
    clockwork(asyncio.get_running_loop()).remove(alarms[0])
    alarms[0].ring()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_work_is_not_taken_for_the_alarms() -> None:
    with pytest.raises(TimeoutError, match="its own"), Alarm(FOREVER_S) as alarm:
        raise TimeoutError("its own")
    assert not alarm.rang


async def test_many_alarms_ring_each_in_its_time_and_none_stays_behind() -> None:
    limits_s = [0.01 + n / 2000 for n in range(100)]
    rung_s = await asyncio.gather(*(rung_after(limit_s) for limit_s in limits_s))
    assert all(rang >= limit for rang, limit in zip(rung_s, limits_s, strict=True))
    assert clockwork(asyncio.get_running_loop()).n_running == 0


async def test_a_thousand_cancelled_tasks_leave_no_alarm_running() -> None:
    async def guarded() -> None:
        with Alarm(FOREVER_S):
            await hang()

    tasks = [asyncio.create_task(guarded()) for _ in range(1000)]
    await asyncio.sleep(0)
    assert clockwork(asyncio.get_running_loop()).n_running == 1000
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert clockwork(asyncio.get_running_loop()).n_running == 0


async def test_alarms_are_looked_through_no_more_often_than_the_grain() -> None:
    loop = asyncio.get_running_loop()
    with pytest.raises(TimeoutError), Alarm(0.0):
        await hang()
    began_s = loop.time()
    with pytest.raises(TimeoutError), Alarm(0.0):
        await hang()
    assert loop.time() - began_s >= GRAIN_S / 2


def test_every_loop_and_every_thread_has_alarms_of_its_own() -> None:
    took_s: list[float] = []

    def run() -> None:
        took_s.extend(asyncio.run(rung_after(0.01)) for _ in range(2))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(took_s) == 6


def test_loops_that_take_turns_in_a_thread_keep_their_alarms() -> None:
    with asyncio.Runner() as first, asyncio.Runner() as second:
        waiting = first.get_loop().create_task(rung_after(0.05))
        first.run(asyncio.sleep(0))
        second.run(rung_after(0.01))

        async def rest() -> float:
            return await waiting

        assert first.run(rest()) >= 0.05


def test_without_a_task_there_is_nothing_to_interrupt() -> None:
    loop = asyncio.new_event_loop()
    errors: list[BaseException] = []

    def outside() -> None:
        try:
            Alarm(1.0)
        except RuntimeError as error:
            errors.append(error)
        loop.stop()

    loop.call_soon(outside)
    loop.run_forever()
    loop.close()
    assert str(errors[0]) == "an alarm interrupts a task, and there is none"
