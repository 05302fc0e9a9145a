"""What can be done with imports."""

from collections.abc import Callable
from uuid import UUID

from fastapi import Response
from pynomaly_chassis.idempotency import Claim, CreatedAnswer, IdempotencyKeys, fingerprint
from pynomaly_chassis.paging import PageRequest
from pynomaly_chassis.travelling import carried
from pynomaly_contracts.base import Page
from pynomaly_contracts.imports import Import, ImportRequest
from pynomaly_contracts.jobs import JobState

from dataset_service.imports.policy import AllowedSources
from dataset_service.imports.repository import ImportRows
from dataset_service.repository import DatasetRepository, Transaction

PATH = "/api/v1/datasets/imports"


class ImportService:
    """The use cases. What a worker does with an import is in worker.py."""

    def __init__(
        self,
        repository: DatasetRepository,
        keys: IdempotencyKeys,
        allowed: AllowedSources,
        *,
        max_queued: Callable[[], int],
    ) -> None:
        self._repository, self._keys, self._allowed, self._max_queued = repository, keys, allowed, max_queued

    async def create(self, tenant_id: str, wanted: ImportRequest, *, idempotency_key: str | None) -> Response:
        """Queue an import (202). Raises ImportNotAllowed, Invalid, NameTaken, JobQueueFull."""
        self._allowed.check(wanted)

        async def work(claim: Claim) -> CreatedAnswer:
            async def add(tx: Transaction) -> CreatedAnswer:
                await tx.refuse_taken(tenant_id, {wanted.name: "body.name"})
                rows = ImportRows(tx.connection)
                made = await rows.add(tenant_id, wanted, carried(), max_queued=self._max_queued())
                answer = CreatedAnswer(made, status=202, location=f"{PATH}/{made.id}")
                await claim.finish(tx.connection, answer)
                return answer

            return await self._repository.run(add)

        content = fingerprint(wanted)
        return await self._keys.once(
            idempotency_key, tenant_id=tenant_id, route=f"POST {PATH}", content=content, work=work
        )

    async def get(self, tenant_id: str, job_id: UUID) -> Import:
        """Raises JobNotFound."""
        async with self._repository.transaction() as tx:
            return await ImportRows(tx.connection).get(tenant_id, job_id)

    async def page(self, tenant_id: str, paging: PageRequest, state: JobState | None) -> Page[Import]:
        """Newest first."""
        async with self._repository.transaction() as tx:
            rows = ImportRows(tx.connection)
            found = await rows.page(tenant_id, state=state, before=paging.before, limit=paging.limit)
        items, next_cursor = paging.cut(found)
        return Page(items=items, next_cursor=next_cursor)

    async def cancel(self, tenant_id: str, job_id: UUID) -> Import:
        """Raises JobNotFound, JobFinished."""
        return await self._repository.run(lambda tx: ImportRows(tx.connection).cancel(tenant_id, job_id))
