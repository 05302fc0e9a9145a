"""One import: fetched under a deadline, then read and stored as an upload is."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pynomaly_chassis.background import heartbeat, to_thread_whole
from pynomaly_chassis.jobs import Lease, Report
from pynomaly_chassis.settings import StorageSettings
from pynomaly_contracts.imports import ImportRequest, SqlSource
from pynomaly_contracts.media import PARQUET
from pynomaly_contracts.reading import UploadFields

from dataset_service.errors import ImportTimedOut, SourceUnavailable, UploadTimedOut
from dataset_service.formats import HEAD_BYTES
from dataset_service.imports.buckets import opened_object
from dataset_service.imports.policy import AllowedSources, without_query
from dataset_service.imports.repository import tell
from dataset_service.imports.sources import Counted, Opened, SourceLimits, counted
from dataset_service.repository import DatasetRepository, NewDataset
from dataset_service.service import DatasetService
from dataset_service.upload import Received, receive_bare

READ_SHARE = 0.8
"""Of the progress, when all bytes are there; the rest is for reading them as a table."""
COUNTS_S = 0.5
"""Time between two reports of bytes and rows, s."""


class Prepared(BaseModel):
    """What a try leaves behind: a table that is stored, and the row that makes it a data set."""

    model_config = ConfigDict(arbitrary_types_allowed=True)
    dataset_id: UUID
    new: NewDataset = Field(exclude=True)


@dataclass
class Progress:
    """How far a try is. Told on the lease's beat as stage and share; the counts by the task."""

    report: Report
    counts: dict[str, int | None] = field(default_factory=dict)

    def read(self, n_bytes: int, total_bytes: int | None) -> None:
        """So many bytes of a file."""
        self.counts = {"n_bytes": n_bytes, "total_bytes": total_bytes or None}
        self.report("reading", READ_SHARE * min(1.0, n_bytes / total_bytes) if total_bytes else 0.0)

    def queried(self, n_bytes: int, n_rows: int | None) -> None:
        """So many rows of a query, and bytes of them."""
        self.counts = {"n_bytes": n_bytes, "n_rows": n_rows}
        self.report("querying", 0.0)


class ImportTask:
    """What a try does. Nothing of it shows before its row is inserted."""

    def __init__(
        self,
        datasets: DatasetService,
        repository: DatasetRepository,
        storage: StorageSettings,
        allowed: AllowedSources,
        limits: SourceLimits,
        *,
        timeout_s: float,
    ) -> None:
        self._datasets, self._repository, self._storage = datasets, repository, storage
        self._allowed, self.limits, self._timeout_s = allowed, limits, timeout_s

    async def run(self, lease: Lease, folder: Path, report: Report) -> Prepared:
        """Raises ProblemError."""
        wanted, path, progress = ImportRequest.model_validate(lease.spec), folder / "import", Progress(report)
        async with heartbeat(COUNTS_S, lambda: self._tell(lease, progress)):
            received = await self._in_time(wanted, path, progress)
            await self._tell(lease, progress)
            report("converting", READ_SHARE)
            new = await self._datasets.prepare(lease.tenant_id, received, path, origin=_origin(wanted))
        return Prepared(dataset_id=new.id, new=new)

    async def _tell(self, lease: Lease, progress: Progress) -> None:
        counts, progress.counts = progress.counts, {}
        if counts:
            await self._repository.run(lambda tx: tell(tx.connection, lease, counts))

    async def _in_time(self, wanted: ImportRequest, path: Path, progress: Progress) -> Received[UploadFields]:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._fetched(wanted, path, progress)
        except TimeoutError as error:
            message = f"the source was not read within the {self._timeout_s:g} s of IMPORT_TIMEOUT_S"
            raise ImportTimedOut(message) from error

    async def _fetched(self, wanted: ImportRequest, path: Path, progress: Progress) -> Received[UploadFields]:
        if wanted.sql is not None:
            return await self._query(wanted, wanted.sql, path, progress.queried)
        async with self._opened(wanted.url or "") as opened:
            chunks = counted(opened, self.limits, progress.read)
            return await self._receive(chunks, opened.content_type, path, wanted)

    def _opened(self, url: str) -> AbstractAsyncContextManager[Opened]:
        if not url.startswith("https:"):
            return opened_object(self._allowed.object(url), self._storage, self.limits)
        from dataset_service.imports.web import opened_web  # noqa: PLC0415 - aiohttp: megabytes that only some need

        return opened_web(self._allowed.web(url), self._allowed, self.limits)

    async def _receive(
        self, chunks: AsyncIterator[bytes], content_type: str, path: Path, wanted: ImportRequest
    ) -> Received[UploadFields]:
        idle_s = self.limits.idle_timeout_s
        try:
            return await receive_bare(chunks, content_type, path, wanted, idle_timeout_s=idle_s)
        except UploadTimedOut as error:
            raise SourceUnavailable(f"the source fell silent for {idle_s:g} s", retry_after_s=5) from error

    async def _query(self, wanted: ImportRequest, sql: SqlSource, path: Path, tell: Counted) -> Received[UploadFields]:
        from dataset_service.imports.sql import write_query  # noqa: PLC0415 - as above

        url = self._allowed.connection(sql)
        await write_query(sql, url, path, self.limits, tell, timeout_s=self._timeout_s)
        return await to_thread_whole(_received, wanted, path)


def _received(wanted: ImportRequest, path: Path) -> Received[UploadFields]:
    """A file that was not sent, but made here."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        head = file.read(HEAD_BYTES)
    return Received(wanted, PARQUET, head, sha256, path.stat().st_size)


def _origin(wanted: ImportRequest) -> str:
    return f"sql:{wanted.sql.connection}" if wanted.sql is not None else without_query(wanted.url or "")
