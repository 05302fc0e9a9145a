"""What can be done with the versions of a data set."""

from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path

from fastapi import Response
from pynomaly_chassis.idempotency import Claim, CreatedAnswer, fingerprint
from pynomaly_contracts.datasets import DatasetVersion, DatasetVersions, SourceFile

from dataset_service.append import append
from dataset_service.errors import VersionNotFound
from dataset_service.ingest import Ingested, check_labels
from dataset_service.objects import version_key
from dataset_service.parquet import Table
from dataset_service.reading import VersionFields
from dataset_service.repository import NewVersion, StoredDataset, Transaction
from dataset_service.service import PATH, DatasetService
from dataset_service.upload import Received, receive, receive_bare

FORM = "multipart/form-data"


class VersionService(DatasetService):
    """Immutable versions: each is whole before it is there, and the one before stays as it was."""

    async def add_version(
        self,
        tenant_id: str,
        reference: str,
        chunks: AsyncIterator[bytes],
        content_type: str,
        fields: VersionFields,
        *,
        idempotency_key: str | None,
    ) -> Response:
        """Make the next version of a form with a file, or of a body that is one; `fields` are then the query's."""
        stored = await self._find(tenant_id, reference)
        idle = self._limits.idle_timeout_s
        with self._spool.file(".upload") as path:
            if content_type.partition(";")[0].strip().lower() == FORM:
                received = await receive(chunks, content_type, path, VersionFields, idle_timeout_s=idle)
            else:
                received = await receive_bare(chunks, content_type, path, fields, idle_timeout_s=idle)

            async def work(claim: Claim) -> CreatedAnswer:
                return await self._next(tenant_id, stored, claim, received, path)

            route = f"POST {PATH}/{{dataset}}/versions"
            content = fingerprint(received.fields, received.sha256, str(stored.dataset.id))
            return await self._keys.once(idempotency_key, tenant_id=tenant_id, route=route, content=content, work=work)

    async def versions(self, tenant_id: str, reference: str) -> DatasetVersions:
        """The newest first."""
        async with self._repository.transaction() as tx:
            return DatasetVersions(items=await tx.versions(tenant_id, reference))

    async def version(self, tenant_id: str, reference: str, version: str) -> DatasetVersion:
        """Raises VersionNotFound."""
        found = (await self.versions(tenant_id, reference)).items
        chosen = next((each for each in found if each.version == version), None)
        if chosen is None:
            raise VersionNotFound(f"the data set has no version {version[:80]!r}; its newest is {found[0].version!r}")
        return chosen

    async def _next(
        self, tenant_id: str, before: StoredDataset, claim: Claim, received: Received[VersionFields], path: Path
    ) -> CreatedAnswer:
        mode, dataset = received.fields.mode, before.dataset
        with ExitStack() as files:
            scratch, parquet, joined = (files.enter_context(self._spool.file(f".{name}")) for name in ("a", "b", "c"))
            table, source = await self._ingest(received, Ingested(path, scratch, parquet), None)
            if mode == "append":
                async with self._objects.opened(before.object_key) as old:
                    table = await self._compute(append, old, dataset, parquet, table, joined)
                parquet = joined
            if dataset.target_column is not None:
                await self._compute(check_labels, parquet, table, dataset.target_column)
            key = version_key(tenant_id)
            await self._objects.put(parquet, key)
        new = _row(received, table, source, key)

        async def add(tx: Transaction) -> CreatedAnswer:
            made = await tx.add_version(tenant_id, before, new)
            answer = CreatedAnswer(made, location=f"{PATH}/{dataset.id}/versions/{made.version}")
            await claim.finish(tx.connection, answer)
            return answer

        return await self._repository.run(add)


def _row(received: Received[VersionFields], table: Table, source: SourceFile, key: str) -> NewVersion:
    return NewVersion(
        n_rows=table.n_rows,
        columns=table.columns,
        sha256=received.sha256,
        size_bytes=received.size_bytes,
        source=source,
        object_key=key,
        made_by=received.fields.mode,
    )
