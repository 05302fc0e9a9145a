"""The registry's use cases: models, versions, the default."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import NamedTuple
from uuid import UUID

from fastapi import Response
from pynomaly_chassis.idempotency import Claim, CreatedAnswer, IdempotencyKeys, fingerprint
from pynomaly_chassis.paging import PageRequest
from pynomaly_contracts.base import Page
from pynomaly_contracts.models import DefaultModel, Model, ModelVersion, VersionUpdate
from pynomaly_scoring import Artefact

from model_service.artefacts import ArtefactChecker, ArtefactStore, sha256
from model_service.holders import check_model_free, check_version_free
from model_service.records import IndexedVersion, NewVersion, StoredVersion
from model_service.repository import DEFAULT, LATEST, ModelRepository, ModelTransaction
from model_service.runtime import ModelRuntime
from model_service.serving import Serving

MAX_LISTED = 10_000
VERSIONS_ROUTE = "POST /api/v1/models/{model}/versions"


class StoredBytes(NamedTuple):
    """A version and its bytes, or a part of them, which `pieces` begins to read. Raises StorageUnavailable."""

    version: StoredVersion
    pieces: Callable[[tuple[int, int] | None], Awaitable[AsyncIterator[memoryview]]]


class Registry:
    """Models, their versions, and the tenant's default."""

    def __init__(
        self,
        *,
        repository: ModelRepository,
        keys: IdempotencyKeys,
        store: ArtefactStore,
        checker: ArtefactChecker,
        runtime: ModelRuntime,
        serving: Serving,
    ) -> None:
        self._repository, self._keys, self._store, self._checker = repository, keys, store, checker
        self._runtime, self._serving = runtime, serving

    async def register(self, tenant_id: str, name: str, archive: bytes, key: str | None) -> Response:
        """The model's next version, 201; the same key and bytes give the same version. Raises ArtefactRefused."""

        async def work(claim: Claim) -> CreatedAnswer:
            return await self._add_version(tenant_id, name, archive, digest, claim)

        digest = await asyncio.to_thread(sha256, archive)
        content = fingerprint(name, digest)
        return await self._keys.once(key, tenant_id=tenant_id, route=VERSIONS_ROUTE, content=content, work=work)

    async def _add_version(self, tenant_id: str, name: str, archive: bytes, digest: str, claim: Claim) -> CreatedAnswer:
        artefact = await self._checker.admit(archive)
        new = _new_version(artefact, await self._store.put(tenant_id, archive), digest)

        async def add(tx: ModelTransaction) -> tuple[ModelVersion, CreatedAnswer]:
            version = await tx.versions.add(tenant_id, name, new)
            location = f"/api/v1/models/{version.model_id}/versions/{version.version}"
            answer = CreatedAnswer(version, location=location)
            await tx.announce(tenant_id, version.model_id, "changed")
            await claim.finish(tx.connection, answer)
            return version, answer

        version, answer = await self._repository.run(add)
        self._serving.changed(tenant_id, version.model_id)
        return answer

    async def models(self, tenant_id: str, page: PageRequest) -> Page[Model]:
        """Newest first."""
        async with self._repository.transaction() as tx:
            found = await tx.models.page(tenant_id, before=page.before, limit=page.limit)
        items, cursor = page.cut(found)
        return Page[Model](items=items, next_cursor=cursor)

    async def model(self, tenant_id: str, reference: str) -> Model:
        """By id or name."""
        async with self._repository.transaction() as tx:
            return await tx.models.get(tenant_id, reference)

    async def delete(self, tenant_id: str, reference: str) -> None:
        """No new work on any version from now on; the name is free. Raises StillNamed."""

        async def delete(tx: ModelTransaction) -> Model:
            model = await tx.models.locked(tenant_id, reference)
            await check_model_free(tx, model)
            await tx.models.delete(tenant_id, model)
            await tx.announce(tenant_id, model.id, "unload")
            return model

        model = await self._repository.run(delete)
        self._serving.changed(tenant_id, model.id)
        self._serving.dropped(model.id)

    async def versions(self, tenant_id: str, reference: str, page: PageRequest) -> Page[ModelVersion]:
        """Newest first."""
        async with self._repository.transaction() as tx:
            model = await tx.models.get(tenant_id, reference)
            found = await tx.versions.page(tenant_id, model, before=page.before, limit=page.limit)
        items, cursor = page.cut(found)
        return Page[ModelVersion](items=items, next_cursor=cursor)

    async def version(self, tenant_id: str, model_ref: str, version_ref: str | None) -> ModelVersion:
        """By number, id, alias or `latest`."""
        async with self._repository.transaction() as tx:
            return await tx.versions.get(tenant_id, model_ref, version_ref)

    async def update_version(
        self, tenant_id: str, model_ref: str, version_ref: str, wanted: VersionUpdate
    ) -> ModelVersion:
        """Other notes or labels; what is not said stays."""

        async def update(tx: ModelTransaction) -> ModelVersion:
            version = await tx.versions.find(tenant_id, model_ref, version_ref)
            await tx.versions.update(version.id, wanted.model_dump(exclude_unset=True))
            return await tx.versions.get(tenant_id, str(version.model_id), str(version.id))

        return await self._repository.run(update)

    async def delete_version(self, tenant_id: str, model_ref: str, version_ref: str) -> None:
        """No new work on it from now on; its number is never given again. Raises StillNamed."""

        async def delete(tx: ModelTransaction) -> StoredVersion:
            model = await tx.models.locked(tenant_id, model_ref)
            version = await tx.versions.find(tenant_id, str(model.id), version_ref)
            await check_version_free(tx, model, version)
            await tx.versions.delete(version)
            await tx.announce(tenant_id, model.id, "delete", version_id=version.id)
            return version

        version = await self._repository.run(delete)
        self._serving.changed(tenant_id, version.model_id)
        self._serving.dropped_version(version.id)

    async def version_numbers(self, tenant_id: str, model_id: UUID) -> list[str]:
        """Of the latest MAX_LISTED, in order."""
        async with self._repository.transaction() as tx:
            return [str(number) for number in await tx.versions.numbers(tenant_id, model_id, MAX_LISTED)]

    async def index(self, tenant_id: str) -> list[tuple[IndexedVersion, bool]]:
        """At most MAX_LISTED versions of all models, by name and number, and whether each is in memory here."""
        async with self._repository.transaction() as tx:
            found = await tx.versions.index(tenant_id, MAX_LISTED)
        return [(version, self._runtime.has(version.version_id)) for version in found]

    async def artefact(self, tenant_id: str, model_ref: str, version_ref: str) -> StoredBytes:
        """A version with its bytes."""
        async with self._repository.transaction() as tx:
            stored = await tx.versions.find(tenant_id, model_ref, version_ref)
        return StoredBytes(stored, partial(self._store.chunks, stored.object_key))

    async def put_default(self, tenant_id: str, reference: str, version_ref: str | None) -> DefaultModel:
        """An alias is followed; no version, or `latest`, follows the latest."""
        version_ref = None if version_ref == LATEST else version_ref

        async def put(tx: ModelTransaction) -> Model:
            model = await tx.models.locked(tenant_id, reference)
            await tx.versions.find(tenant_id, str(model.id), version_ref)
            await tx.defaults.put(tenant_id, model, version_ref)
            await tx.announce(tenant_id, model.id, "changed")
            return model

        model = await self._repository.run(put)
        self._serving.changed(tenant_id, model.id)
        return DefaultModel(model_id=model.id, model_name=model.name, version=version_ref)

    async def default(self, tenant_id: str) -> DefaultModel:
        """Raises NoDefaultModel."""
        async with self._repository.transaction() as tx:
            return await tx.defaults.get(tenant_id)

    async def delete_default(self, tenant_id: str) -> None:
        """Raises NoDefaultModel."""

        async def delete(tx: ModelTransaction) -> Model:
            model = await tx.models.get(tenant_id, DEFAULT)
            await tx.defaults.delete(tenant_id)
            await tx.announce(tenant_id, model.id, "changed")
            return model

        self._serving.changed(tenant_id, (await self._repository.run(delete)).id)


def _new_version(artefact: Artefact, object_key: str, digest: str) -> NewVersion:
    manifest = artefact.manifest.to_json()
    return NewVersion(object_key, digest, artefact.content_digest, artefact.n_bytes, artefact.key_hint, manifest)
