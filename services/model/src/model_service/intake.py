"""Request bodies in memory, bounded together: a queue of large ones would outgrow any machine."""

from collections.abc import AsyncIterator
from typing import Self

from pynomaly_chassis.problems import BodyTooLarge

from model_service.errors import ScoringBusy


class Intake:
    """The bytes of all bodies that are being read, wait or are scored. For one event loop."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes, self._n_bytes = max_bytes, 0

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
        """The whole body, counted as it comes. Raises ScoringBusy, BodyTooLarge."""
        return b"".join(await self.pieces(chunks, max_bytes))

    async def pieces(self, chunks: AsyncIterator[bytes], max_bytes: int | None = None) -> list[bytes]:
        """The body as it comes, counted. Raises ScoringBusy, BodyTooLarge."""
        found = []
        async for chunk in chunks:
            self.take(len(chunk))
            if max_bytes is not None and self.n_bytes > max_bytes:
                raise BodyTooLarge(f"the body is over {max_bytes} bytes; send less at a time", limit_bytes=max_bytes)
            found.append(chunk)
        return found

    def take(self, n_bytes: int) -> None:
        """Count what came otherwise. Raises ScoringBusy."""
        self._intake.take(n_bytes, self.n_bytes)
        self.n_bytes += n_bytes
