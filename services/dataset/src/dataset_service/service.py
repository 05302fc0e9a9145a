"""What can be done with data sets."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from fastapi import Response
from fastapi.responses import StreamingResponse
from pydantic import TypeAdapter, ValidationError
from pynomaly_chassis.background import to_thread_whole
from pynomaly_chassis.conditional import is_there_already, range_of
from pynomaly_chassis.idempotency import Claim, CreatedAnswer, IdempotencyKeys, fingerprint
from pynomaly_chassis.ids import new_id
from pynomaly_chassis.paging import PageRequest
from pynomaly_chassis.problems import Invalid
from pynomaly_contracts.base import Page, ResourceName
from pynomaly_contracts.datasets import (
    Dataset,
    DatasetUpdate,
    QualityReport,
    SampleRows,
    SourceFile,
    Split,
    SplitRequest,
)
from pynomaly_contracts.media import CSV

from dataset_service.delivery import begun, etag_of, part_of, spooled
from dataset_service.filters import parse_filters
from dataset_service.ingest import Ingested, Ingestion, check_labels
from dataset_service.objects import ObjectFiles, object_key
from dataset_service.parquet import Table, block_rows
from dataset_service.quality import quality_report
from dataset_service.reading import UploadFields
from dataset_service.repository import DatasetRepository, NewDataset, StoredDataset, Transaction
from dataset_service.rows import RowFormat, RowsWanted, escaped_formulas, json_rows, negotiate
from dataset_service.split import Part, sample, split
from dataset_service.spool import Spool
from dataset_service.upload import Received, receive, receive_bare

PATH = "/api/v1/datasets"
UPLOAD = f"{PATH}/upload"
P = ParamSpec("P")
Found = TypeVar("Found")
Uploaded = Received[UploadFields]
_name = TypeAdapter[str](ResourceName)


@dataclass(frozen=True)
class Limits:
    """What the service takes at most."""

    max_columns: int
    max_expanded_bytes: int
    idle_timeout_s: float
    n_cpu_tasks: int


class DatasetService:
    """The use cases. CPU-bound work runs in threads, a few at a time."""

    def __init__(
        self, repository: DatasetRepository, objects: ObjectFiles, spool: Spool, keys: IdempotencyKeys, limits: Limits
    ) -> None:
        self._repository, self._objects, self._spool, self._keys = repository, objects, spool, keys
        self.limit(limits)
        self._cpu = asyncio.Semaphore(limits.n_cpu_tasks)

    def limit(self, limits: Limits) -> None:
        """What comes from now on is held against these limits; the number of CPU-bound tasks stays."""
        self._limits = limits

    async def upload(
        self, tenant_id: str, chunks: AsyncIterator[bytes], content_type: str, *, idempotency_key: str | None
    ) -> Response:
        """Make a data set of a multipart body. The row exists once the bytes are whole, and not before."""
        with self._spool.file(".upload") as path:
            idle = self._limits.idle_timeout_s
            received = await receive(chunks, content_type, path, UploadFields, idle_timeout_s=idle)
            return await self._add(tenant_id, f"POST {UPLOAD}", received, path, idempotency_key)

    async def put(
        self,
        tenant_id: str,
        chunks: AsyncIterator[bytes],
        content_type: str,
        fields: UploadFields,
        *,
        idempotency_key: str | None,
    ) -> Response:
        """As `upload`, of a body that is the file itself."""
        with self._spool.file(".upload") as path:
            idle = self._limits.idle_timeout_s
            received = await receive_bare(chunks, content_type, path, fields, idle_timeout_s=idle)
            return await self._add(tenant_id, f"POST {PATH}", received, path, idempotency_key)

    async def _add(
        self, tenant_id: str, route: str, received: Received[UploadFields], path: Path, key: str | None
    ) -> Response:
        async def work(claim: Claim) -> CreatedAnswer:
            return await self._create(tenant_id, claim, received, path)

        content = fingerprint(received.fields, received.sha256)
        return await self._keys.once(key, tenant_id=tenant_id, route=route, content=content, work=work)

    async def _create(
        self, tenant_id: str, claim: Claim, received: Received[UploadFields], path: Path
    ) -> CreatedAnswer:
        async with self._repository.transaction() as tx:
            await tx.refuse_taken(tenant_id, {received.fields.name: "body.name"})
        new = await self.prepare(tenant_id, received, path)

        async def add(tx: Transaction) -> CreatedAnswer:
            answer = CreatedAnswer(await tx.insert(new), location=f"{PATH}/{new.id}")
            await claim.finish(tx.connection, answer)
            return answer

        return await self._repository.run(add)

    async def prepare(
        self, tenant_id: str, received: Received[UploadFields], path: Path, *, origin: str | None = None
    ) -> NewDataset:
        """Read the file at `path` and store its table; the row is still to be inserted. origin: of an import."""
        fields = received.fields
        with self._spool.file(".parquet") as parquet, self._spool.file(".scratch") as scratch:
            table, source = await self._ingest(received, Ingested(path, scratch, parquet), fields.target_column)
            dataset_id = new_id()
            key = object_key(tenant_id, dataset_id)
            await self._objects.put(parquet, key)
        return NewDataset(
            id=dataset_id,
            tenant_id=tenant_id,
            name=fields.name,
            description=fields.description,
            target_column=fields.target_column,
            source=source.model_copy(update={"origin": origin}),
            n_rows=table.n_rows,
            columns=table.columns,
            sha256=received.sha256,
            size_bytes=received.size_bytes,
            object_key=key,
        )

    async def _ingest(
        self, received: Received[Any], files: Ingested, target_column: str | None
    ) -> tuple[Table, SourceFile]:
        ingestion = Ingestion(
            *(*files, received.fields, received.content_type),
            max_columns=self._limits.max_columns,
            max_expanded_bytes=self._limits.max_expanded_bytes,
            target_column=target_column,
        )
        return await self._compute(ingestion.run)

    async def page(self, tenant_id: str, paging: PageRequest, name_prefix: str | None) -> Page[Dataset]:
        """Newest first."""
        async with self._repository.transaction() as tx:
            found = await tx.page(tenant_id, name_prefix=name_prefix, before=paging.before, limit=paging.limit)
        items, next_cursor = paging.cut(found)
        return Page(items=items, next_cursor=next_cursor)

    async def get(self, tenant_id: str, reference: str, version: str | None = None) -> Dataset:
        """By id or name; without a version the newest."""
        return (await self._find(tenant_id, reference, version)).dataset

    async def delete(self, tenant_id: str, reference: str) -> None:
        """Refuse new work on it from now on; its bytes are collected a day later."""
        await self._repository.run(lambda tx: tx.delete(tenant_id, reference))

    async def quality(self, tenant_id: str, reference: str, version: str | None) -> tuple[Dataset, QualityReport]:
        """The data set, its figures and warnings."""
        stored = await self._find(tenant_id, reference, version)
        async with self._objects.opened(stored.object_key) as path:
            return stored.dataset, await self._compute(quality_report, path, stored.dataset)

    async def sample(
        self, tenant_id: str, reference: str, version: str | None, *, n_rows: int, seed: int
    ) -> SampleRows:
        """Some rows, in file order."""
        stored = await self._find(tenant_id, reference, version)
        async with self._objects.opened(stored.object_key) as path:
            rows = await self._compute(_sampled, path, stored.dataset, n_rows, seed)
        return SampleRows(dataset_id=stored.dataset.id, n_rows=len(rows), rows=rows)

    async def rows(self, tenant_id: str, reference: str, wanted: RowsWanted, asked: Mapping[str, str]) -> Response:
        """The rows as a file. asked: the request's headers.

        The first rows are read before anything is said. Raises RangeNotSatisfiable, StorageUnavailable.
        """
        stored = await self._find(tenant_id, reference, wanted.version)
        dataset, form = stored.dataset, negotiate(asked.get("accept", "*/*"))
        _check_columns(dataset, wanted.columns or [])
        parse_filters(wanted.filters, dataset.columns)
        etag = etag_of(dataset, form, wanted)
        disposition = f'attachment; filename="{dataset.name}.{form.suffix}"'
        headers = {"content-disposition": disposition, "vary": "accept", "etag": etag, "accept-ranges": "bytes"}
        if is_there_already(asked, etag):
            return Response(status_code=304, headers=headers)
        content, part = self._encoded(stored, form, wanted), range_of(asked, etag)
        if part is None:
            return StreamingResponse(await begun(content), media_type=form.media_type, headers=headers)
        return part_of(await spooled(content, self._spool), part, headers, form.media_type)

    async def _encoded(self, stored: StoredDataset, form: RowFormat, wanted: RowsWanted) -> AsyncIterator[bytes]:
        async with self._objects.opened(stored.object_key) as path:
            blocks = wanted.blocks(path, stored.dataset)
            if wanted.escape_formulas and form.media_type == CSV:
                blocks = map(escaped_formulas, blocks)
            parts = form.encode(blocks)
            while (part := await self._compute(next, parts, None)) is not None:
                yield part

    async def update(self, tenant_id: str, reference: str, wanted: DatasetUpdate) -> Dataset:
        """Change what is said of a data set; its rows stay as they are."""
        stored = await self._find(tenant_id, reference)
        dataset, changes = stored.dataset, wanted.model_dump(exclude_unset=True)
        if changes.get("target_column") is not None:
            group_rows = block_rows(len(dataset.columns), dataset.n_rows, dataset.size_bytes)
            table = Table(dataset.n_rows, tuple(dataset.columns), group_rows)
            async with self._objects.opened(stored.object_key) as path:
                await self._compute(check_labels, path, table, changes["target_column"])
        return await self._repository.run(lambda tx: tx.update(tenant_id, dataset, changes))

    async def split(
        self, tenant_id: str, reference: str, wanted: SplitRequest, *, idempotency_key: str | None
    ) -> Response:
        """Make a data set of each part, all of them or none."""
        stored = await self._find(tenant_id, reference)
        names = {part: _part_name(stored.dataset.name, part) for part in wanted.fractions}

        async def work(claim: Claim) -> CreatedAnswer:
            return await self._split(tenant_id, claim, stored, wanted, names)

        route, content = f"POST {PATH}/{{dataset}}/split", fingerprint(wanted, str(stored.dataset.id))
        return await self._keys.once(idempotency_key, tenant_id=tenant_id, route=route, content=content, work=work)

    async def _split(
        self, tenant_id: str, claim: Claim, stored: StoredDataset, wanted: SplitRequest, names: dict[str, str]
    ) -> CreatedAnswer:
        fields = {part: f"body.fractions.{part}" for part in names}
        async with self._repository.transaction() as tx:
            await tx.refuse_taken(tenant_id, {name: fields[part] for part, name in names.items()})
        new: dict[str, NewDataset] = {}
        with ExitStack() as files:
            targets = {part: files.enter_context(self._spool.file(".parquet")) for part in names}
            async with self._objects.opened(stored.object_key) as path:
                parts = await self._compute(split, path, stored.dataset, wanted, targets)
            for part, target in targets.items():
                new[part] = _part_row(tenant_id, stored.dataset, names[part], parts[part])
                await self._objects.put(target, new[part].object_key)

        async def add(tx: Transaction) -> CreatedAnswer:
            made = {part: await tx.insert(row, asked_by=fields[part]) for part, row in new.items()}
            answer = CreatedAnswer(Split(parts=made))
            await claim.finish(tx.connection, answer)
            return answer

        return await self._repository.run(add)

    async def _find(self, tenant_id: str, reference: str, version: str | None = None) -> StoredDataset:
        async with self._repository.transaction() as tx:
            return await tx.find_version(tenant_id, reference, version)

    async def _compute(self, work: Callable[P, Found], *args: P.args, **kwargs: P.kwargs) -> Found:
        async with self._cpu:
            return await to_thread_whole(work, *args, **kwargs)


def _sampled(path: Path, dataset: Dataset, n_rows: int, seed: int) -> list[dict[str, Any]]:
    return json_rows(sample(path, dataset, n_rows, seed))


def _check_columns(dataset: Dataset, wanted: Sequence[str]) -> None:
    known = {column.name for column in dataset.columns}
    for name, count in Counter(wanted).items():
        if name not in known:
            raise Invalid.field("query.columns", name, f"data set {dataset.name!r} has no column {name!r}")
        if count > 1:
            raise Invalid.field("query.columns", name, "asked for more than once")


def _part_name(dataset: str, part: str) -> str:
    try:
        return _name.validate_python(f"{dataset}-{part}")
    except ValidationError as error:
        message = f"the part's name {dataset}-{part} would be no valid name: {error.errors()[0]['msg']}"
        raise Invalid.field(f"body.fractions.{part}", part, message) from error


def _part_row(tenant_id: str, source: Dataset, name: str, part: Part) -> NewDataset:
    dataset_id = new_id()
    return NewDataset(
        id=dataset_id,
        tenant_id=tenant_id,
        name=name,
        description=source.description,
        n_rows=part.n_rows,
        columns=source.columns,
        target_column=source.target_column,
        sha256=part.sha256,
        size_bytes=part.size_bytes,
        object_key=object_key(tenant_id, dataset_id),
        source_dataset_id=source.id,
    )
