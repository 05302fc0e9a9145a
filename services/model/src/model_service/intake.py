"""Request bodies in memory, bounded together: a queue of large ones would outgrow any machine."""

import asyncio
from collections.abc import AsyncIterator
from typing import Self

from pynomaly_chassis.problems import BodyTooLarge

from model_service.errors import BodyStalled, ScoringBusy

# A body over this may not stop on its way: a few that did would hold all the room, for good.
LARGE_BYTES = 64 * 1024


class Intake:
    """The bytes of all bodies that are being read, wait or are scored. For one event loop.

    stall_s: how long the next piece of a large body may take.
    """

    def __init__(self, *, max_bytes: int, stall_s: float) -> None:
        self._max_bytes, self._n_bytes = max_bytes, 0
        self.stall_s = stall_s

    def place(self) -> "Place":
        """A body's place while a block runs."""
        return Place(self)

    def take(self, n_bytes: int, held: int) -> None:
        """Room for n_bytes more of a body that has `held`. A body that is alone always has it. Raises ScoringBusy."""
        if self._n_bytes > held and self._n_bytes + n_bytes > self._max_bytes:
            raise ScoringBusy("too many large bodies are being scored; try again", retry_after_s=1)
        self._n_bytes += n_bytes

    def give_back(self, n_bytes: int) -> None:
        """A body has gone."""
        self._n_bytes -= n_bytes


class Place:
    """What one body holds, until its block ends."""

    __slots__ = ("_intake", "n_bytes")

    def __init__(self, intake: Intake) -> None:
        self._intake, self.n_bytes = intake, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._intake.give_back(self.n_bytes)

    async def read(self, chunks: AsyncIterator[bytes], max_bytes: int | None = None) -> bytes:
        """The whole body, counted as it comes. Raises ScoringBusy, BodyTooLarge, BodyStalled."""
        return b"".join(await self.pieces(chunks, max_bytes))

    async def pieces(self, chunks: AsyncIterator[bytes], max_bytes: int | None = None) -> list[bytes]:
        """The body as it comes, counted. Raises ScoringBusy, BodyTooLarge, BodyStalled."""
        found: list[bytes] = []
        async for chunk in chunks:
            found.append(self._counted(chunk, max_bytes))
            if self.n_bytes > LARGE_BYTES:
                await self._read_rest(chunks, found, max_bytes)
                break
        return found

    async def _read_rest(self, chunks: AsyncIterator[bytes], found: list[bytes], max_bytes: int | None) -> None:
        stall_s, now_s = self._intake.stall_s, asyncio.get_running_loop().time
        limit = asyncio.timeout(stall_s)
        try:
            async with limit:
                async for chunk in chunks:
                    found.append(self._counted(chunk, max_bytes))
                    limit.reschedule(now_s() + stall_s)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise BodyStalled(
                f"the body stopped for {stall_s:g} s after {self.n_bytes} bytes; send it again"
            ) from error

    def _counted(self, chunk: bytes, max_bytes: int | None) -> bytes:
        self.take(len(chunk))
        if max_bytes is not None and self.n_bytes > max_bytes:
            raise BodyTooLarge(f"the body is over {max_bytes} bytes; send less at a time", limit_bytes=max_bytes)
        return chunk

    def take(self, n_bytes: int) -> None:
        """Count what came otherwise. Raises ScoringBusy."""
        self._intake.take(n_bytes, self.n_bytes)
        self.n_bytes += n_bytes
