"""Object storage under named policies: every call ends, and is made again where that does no harm."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import obstore
import structlog
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore
from pynomaly_resilience import BreakerPolicy, CallFailed, CallPolicy, Resilience, RetryPolicy, resilient

from pynomaly_chassis.problems import Unavailable
from pynomaly_chassis.resilience import Calls
from pynomaly_chassis.storage import StorageFull, put_exclusive, room_needed

if TYPE_CHECKING:
    from obstore import BytesStream, GetOptions, GetResult  # of the stubs alone

log = structlog.get_logger()
_RETRY = RetryPolicy(on="failure", wait_s=0.1, wait_max_s=2.0)
_BREAKER = BreakerPolicy(failure_rate=None, consecutive_failures=5, open_s=2.0, open_max_s=15.0)
# To the first byte; what follows takes as long as it is long.
READ = CallPolicy(attempt_timeout_s=20.0, total_timeout_s=65.0, attempts=3, retry=_RETRY, breaker=_BREAKER)
WRITE = CallPolicy(
    attempt_timeout_s=300.0, total_timeout_s=605.0, attempts=2, is_transfer=True, retry=_RETRY, breaker=_BREAKER
)
STORAGE_CALLS: Calls = {("storage", "read"): READ, ("storage", "write"): WRITE, ("storage", "delete"): READ}
PIECE = 1024 * 1024
"""Bytes that a store must send without falling silent."""
_ANSWERS = (FileNotFoundError, AlreadyExistsError, StorageFull)
"""What a store that is well may say."""
Result = TypeVar("Result")


class StorageUnavailable(Unavailable):
    """The object store does not answer, or lacks what it should hold."""

    type, title = "/problems/storage-unavailable", "Object storage is unavailable"


class Bucket:
    """The objects of one store. Every method raises StorageUnavailable where the store does not answer, or falls
    silent for `silence_s` in the middle of an object.
    """

    def __init__(
        self, store: ObjectStore, resilience: Resilience | None = None, *, silence_s: float = READ.idle_timeout_s
    ) -> None:
        self.store, self._resilience, self._silence_s = store, resilience or Resilience(), silence_s

    async def opened(self, key: str, part: tuple[int, int] | None = None) -> "GetResult":
        """An object, its bytes still to be read. part: the first byte and the one after the last, of those alone.

        Raises FileNotFoundError.
        """
        options: GetOptions = {} if part is None else {"range": part}
        return await self._guarded("read", READ, lambda: obstore.get_async(self.store, key, options=options))

    async def get(self, key: str) -> bytes:
        """All bytes of an object. Raises FileNotFoundError."""
        return await self._guarded("read", READ, lambda: self._content(key))

    async def put_new(self, key: str, content: bytes) -> None:
        """Write bytes that must not be there yet, whole or not at all. Raises AlreadyExistsError, StorageFull.

        After a try whose end nobody saw, the same bytes at the key are its own.
        """
        n_tries = 0

        async def put() -> None:
            nonlocal n_tries
            n_tries += 1
            try:
                with room_needed():
                    await put_exclusive(self.store, key, content)
            except AlreadyExistsError:
                if n_tries == 1 or await self._content(key) != content:
                    raise

        await self._guarded("write", WRITE, put)

    async def put_file(self, key: str, source: Path) -> None:
        """Write a file's bytes under a key that is nobody else's. Raises StorageFull."""

        async def put() -> None:
            with room_needed():
                await obstore.put_async(self.store, key, source)

        await self._guarded("write", WRITE, put)

    async def delete(self, key: str) -> None:
        """Remove an object; one that is gone already is fine."""

        async def delete() -> None:
            try:
                await obstore.delete_async(self.store, key)
            except FileNotFoundError:
                return

        await self._guarded("delete", READ, delete)

    async def chunks(self, found: "GetResult") -> AsyncIterator[memoryview]:
        """The bytes of an opened object, in pieces."""
        with _translated():
            pieces = found.stream(min_chunk_size=PIECE)
            while (piece := await self._next(pieces)) is not None:
                yield memoryview(piece)

    async def _next(self, pieces: "BytesStream") -> bytes | None:
        async with asyncio.timeout(self._silence_s):
            try:
                return await anext(pieces)
            except StopAsyncIteration:
                return None

    async def _content(self, key: str) -> bytes:
        found = await obstore.get_async(self.store, key)
        return bytes(await found.bytes_async())

    async def _guarded(self, operation: str, policy: CallPolicy, work: Callable[[], Awaitable[Result]]) -> Result:
        @resilient("storage", operation, policy=policy, idempotent=True, ignore=_ANSWERS, resilience=self._resilience)
        async def call() -> Result:
            return await work()

        with _translated():
            return await call()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except _ANSWERS:
        raise
    except (CallFailed, BaseError, OSError) as error:
        log.warning("storage.failed", error=str(error)[:300] or type(error).__name__)
        retry_after_s = error.retry_after_s if isinstance(error, CallFailed) else 2
        message = "object storage does not give or take the bytes; try again"
        raise StorageUnavailable(message, retry_after_s=retry_after_s) from error
