"""Work beside the requests goes on, whatever becomes of one turn of it."""

import asyncio

from pynomaly_chassis.background import heartbeat

HOUR_S = 3600.0


async def test_a_beat_at_start_comes_in_a_process_that_does_not_live_an_interval() -> None:
    beaten = asyncio.Event()

    async def beat() -> None:
        beaten.set()

    async with heartbeat(HOUR_S, beat, at_start=True), asyncio.timeout(10):
        await beaten.wait()


async def test_by_default_the_first_beat_comes_after_an_interval() -> None:
    began, beats = asyncio.get_running_loop().time(), asyncio.Queue[float]()

    async def beat() -> None:
        beats.put_nowait(asyncio.get_running_loop().time())

    async with heartbeat(0.05, beat), asyncio.timeout(10):
        assert await beats.get() - began >= 0.05


async def test_a_beat_that_fails_is_followed_by_the_next() -> None:
    beats: asyncio.Queue[None] = asyncio.Queue()

    async def beat() -> None:
        beats.put_nowait(None)
        raise RuntimeError("a defect")

    async with heartbeat(0.01, beat, at_start=True), asyncio.timeout(10):
        await beats.get()
        await beats.get()
