"""Work beside the requests, on the same loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger()


@asynccontextmanager
async def heartbeat(interval_s: float, beat: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Call `beat` every `interval_s` while the block runs. A beat that fails is logged; the next one comes."""
    task = asyncio.create_task(_beat_forever(interval_s, beat))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _beat_forever(interval_s: float, beat: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(interval_s)
        try:
            await beat()
        except Exception:
            log.exception("background.beat_failed")
