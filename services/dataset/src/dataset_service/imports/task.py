"""One import: fetched under a deadline, then read and stored as an upload is."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from pynomaly_chassis.background import to_thread_whole
from pynomaly_chassis.jobs import Lease
from pynomaly_chassis.settings import StorageSettings
from pynomaly_contracts.imports import ImportRequest, SqlSource
from pynomaly_contracts.media import PARQUET
from pynomaly_contracts.reading import UploadFields

from dataset_service.errors import ImportTimedOut, SourceUnavailable, UploadTimedOut
from dataset_service.formats import HEAD_BYTES
from dataset_service.imports.buckets import opened_object
from dataset_service.imports.policy import AllowedSources, without_query
from dataset_service.imports.sources import Opened, SourceLimits, counted
from dataset_service.repository import NewDataset
from dataset_service.service import DatasetService
from dataset_service.spool import Spool
from dataset_service.upload import Received, receive_bare

READ_SHARE = 0.8
"""Of the progress, when all bytes are there; the rest is for reading them as a table."""


@dataclass(frozen=True)
class News:
    """How far an import is."""

    stage: str = "starting"
    progress: float = 0.0
    n_bytes: int = 0
    total_bytes: int | None = None
    n_rows: int | None = None

    def read(self, n_bytes: int, total_bytes: int | None) -> "News":
        """After so many bytes of a file."""
        share = min(1.0, n_bytes / total_bytes) if total_bytes else 0.0
        return replace(
            self, stage="reading", progress=READ_SHARE * share, n_bytes=n_bytes, total_bytes=total_bytes or None
        )

    def queried(self, n_bytes: int, n_rows: int | None) -> "News":
        """After so many rows of a query."""
        return replace(self, stage="querying", n_bytes=n_bytes, n_rows=n_rows)

    def converting(self) -> "News":
        return replace(self, stage="converting", progress=READ_SHARE)


Report = Callable[[News], None]


class ImportTask:
    """What an attempt does. Nothing of it shows before its row is inserted."""

    def __init__(
        self,
        datasets: DatasetService,
        spool: Spool,
        storage: StorageSettings,
        allowed: AllowedSources,
        limits: SourceLimits,
        *,
        timeout_s: float,
    ) -> None:
        self._datasets, self._spool, self._storage = datasets, spool, storage
        self._allowed, self._limits, self._timeout_s = allowed, limits, timeout_s

    async def run(self, lease: Lease, report: Report) -> NewDataset:
        """The row to be, its bytes stored. Raises ProblemError."""
        wanted = ImportRequest.model_validate(lease.spec)
        with self._spool.file(".import") as path:
            try:
                async with asyncio.timeout(self._timeout_s):
                    received, news = await self._fetched(wanted, path, report)
            except TimeoutError as error:
                message = f"the source was not read within the {self._timeout_s:g} s of IMPORT_TIMEOUT_S"
                raise ImportTimedOut(message) from error
            report(news.converting())
            new = await self._datasets.prepare(lease.tenant_id, received, path, origin=_origin(wanted))
        report(replace(news.converting(), n_rows=new.n_rows))
        return new

    async def _fetched(self, wanted: ImportRequest, path: Path, report: Report) -> tuple[Received[UploadFields], News]:
        last = News()

        def read(n_bytes: int, total_bytes: int | None) -> None:
            nonlocal last
            last = last.read(n_bytes, total_bytes)
            report(last)

        def queried(n_bytes: int, n_rows: int | None) -> None:
            nonlocal last
            last = last.queried(n_bytes, n_rows)
            report(last)

        if wanted.sql is not None:
            return await self._query(wanted, wanted.sql, path, queried), last
        async with self._opened(wanted.url or "") as opened:
            chunks = counted(opened, self._limits, read)
            return await self._receive(chunks, opened.content_type, path, wanted), last

    def _opened(self, url: str) -> AbstractAsyncContextManager[Opened]:
        if not url.startswith("https:"):
            return opened_object(self._allowed.object(url), self._storage, self._limits)
        from dataset_service.imports.web import opened_web  # noqa: PLC0415 - aiohttp: megabytes that only some need

        return opened_web(self._allowed.web(url), self._allowed, self._limits)

    async def _receive(
        self, chunks: AsyncIterator[bytes], content_type: str, path: Path, wanted: ImportRequest
    ) -> Received[UploadFields]:
        idle_s = self._limits.idle_timeout_s
        try:
            return await receive_bare(chunks, content_type, path, wanted, idle_timeout_s=idle_s)
        except UploadTimedOut as error:
            raise SourceUnavailable(f"the source fell silent for {idle_s:g} s", retry_after_s=5) from error

    async def _query(
        self, wanted: ImportRequest, sql: SqlSource, path: Path, tell: Callable[[int, int | None], None]
    ) -> Received[UploadFields]:
        from dataset_service.imports.sql import write_query  # noqa: PLC0415 - as above

        url = self._allowed.connection(sql)
        await write_query(sql, url, path, self._limits, tell, timeout_s=self._timeout_s)
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
