"""Where imported bytes come from."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from pynomaly_chassis.problems import BodyTooLarge

Counted = Callable[[int, int | None], None]
"""Told the bytes, or the rows, so far and how many there are in all, where that is known."""


@dataclass(frozen=True)
class Opened:
    """A source that has answered. total_bytes: None where it does not say; chunks: the bytes, as they come."""

    content_type: str
    total_bytes: int | None
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True)
class SourceLimits:
    """What a source may take. ca_file: authorities to trust in place of the system's."""

    max_bytes: int
    connect_timeout_s: float
    idle_timeout_s: float
    ca_file: Path | None = None

    def check_size(self, n_bytes: int) -> None:
        """Raises BodyTooLarge (413)."""
        if n_bytes > self.max_bytes:
            raise BodyTooLarge(f"the source has over {self.max_bytes} bytes, which MAX_UPLOAD_SIZE allows")


async def counted(opened: Opened, limits: SourceLimits, tell: Counted) -> AsyncIterator[bytes]:
    """The bytes, told of and under the limit, whatever the source said of their number. Raises BodyTooLarge."""
    limits.check_size(opened.total_bytes or 0)
    n_bytes = 0
    async for chunk in opened.chunks:
        n_bytes += len(chunk)
        limits.check_size(n_bytes)
        tell(n_bytes, opened.total_bytes)
        yield chunk
