"""The registry's use cases."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple
from uuid import UUID

from fastapi import Response
from pynomaly_chassis.idempotency import Claim, CreatedAnswer, IdempotencyKeys, fingerprint
from pynomaly_chassis.paging import PageRequest
from pynomaly_contracts.base import Page
from pynomaly_contracts.models import DefaultModel, LoadedModel, Model, ModelVersion
from pynomaly_scoring import Artefact

from model_service.artefacts import ArtefactChecker, ArtefactStore, sha256
from model_service.records import IndexedVersion, NewVersion
from model_service.repository import DEFAULT, LATEST, ModelRepository, ModelTransaction
from model_service.runtime import ModelRuntime
from model_service.serving import Serving

MAX_LISTED = 10_000
VERSIONS_ROUTE = "POST /api/v1/models/{model}/versions"


class ArtefactBytes(NamedTuple):
    """A version's bytes, in pieces."""

    version: ModelVersion
    pieces: AsyncIterator[memoryview]


class Registry:
    """Models, their versions, and which are loaded."""

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
            version = await tx.add_version(tenant_id, name, new)
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
            found = await tx.models(tenant_id, before=page.before, limit=page.limit)
        items, cursor = page.cut(found)
        return Page[Model](items=items, next_cursor=cursor)

    async def model(self, tenant_id: str, reference: str) -> Model:
        """By id or name."""
        async with self._repository.transaction() as tx:
            return await tx.model(tenant_id, reference)

    async def delete(self, tenant_id: str, reference: str) -> None:
        """No new work on any version from now on; the name is free."""

        async def delete(tx: ModelTransaction) -> Model:
            model = await tx.model(tenant_id, reference)
            await tx.delete_model(tenant_id, model)
            await tx.announce(tenant_id, model.id, "unload")
            return model

        self._forget(tenant_id, (await self._repository.run(delete)).id)

    async def versions(self, tenant_id: str, reference: str, page: PageRequest) -> Page[ModelVersion]:
        """Newest first."""
        async with self._repository.transaction() as tx:
            model = await tx.model(tenant_id, reference)
            found = await tx.versions(tenant_id, model, before=page.before, limit=page.limit)
        items, cursor = page.cut(found)
        return Page[ModelVersion](items=items, next_cursor=cursor)

    async def version(self, tenant_id: str, model_ref: str, version_ref: str | None) -> ModelVersion:
        """By number, id, alias or `latest`."""
        async with self._repository.transaction() as tx:
            return (await tx.version(tenant_id, model_ref, version_ref)).version

    async def version_numbers(self, tenant_id: str, model_id: UUID) -> list[str]:
        """Of the latest MAX_LISTED, in order."""
        async with self._repository.transaction() as tx:
            return [str(number) for number in await tx.numbers(tenant_id, model_id, MAX_LISTED)]

    async def index(self, tenant_id: str) -> list[tuple[IndexedVersion, bool]]:
        """At most MAX_LISTED versions of all models, by name and number, and whether each is in memory here."""
        async with self._repository.transaction() as tx:
            found = await tx.index(tenant_id, MAX_LISTED)
        return [(version, self._runtime.has(version.version_id)) for version in found]

    async def artefact(self, tenant_id: str, model_ref: str, version_ref: str) -> ArtefactBytes:
        """A version with its bytes. Raises StorageUnavailable."""
        async with self._repository.transaction() as tx:
            stored = await tx.version(tenant_id, model_ref, version_ref)
        return ArtefactBytes(stored.version, await self._store.chunks(stored.object_key))

    async def put_alias(self, tenant_id: str, reference: str, alias: str, version_ref: str) -> Model:
        """Point an alias at a version of the same model."""

        async def put(tx: ModelTransaction) -> Model:
            version = (await tx.version(tenant_id, reference, version_ref)).version
            await tx.put_alias(tenant_id, alias, version)
            await tx.announce(tenant_id, version.model_id, "changed")
            return await tx.model(tenant_id, str(version.model_id))

        model = await self._repository.run(put)
        self._serving.changed(tenant_id, model.id)
        return model

    async def delete_alias(self, tenant_id: str, reference: str, alias: str) -> None:
        """The versions stay."""

        async def delete(tx: ModelTransaction) -> Model:
            model = await tx.model(tenant_id, reference)
            await tx.delete_alias(tenant_id, model, alias)
            await tx.announce(tenant_id, model.id, "changed")
            return model

        self._serving.changed(tenant_id, (await self._repository.run(delete)).id)

    async def put_default(self, tenant_id: str, reference: str, version_ref: str | None) -> DefaultModel:
        """An alias is followed; no version, or `latest`, follows the latest."""
        version_ref = None if version_ref == LATEST else version_ref

        async def put(tx: ModelTransaction) -> Model:
            model = await tx.model(tenant_id, reference)
            await tx.version(tenant_id, str(model.id), version_ref)
            await tx.put_default(tenant_id, model, version_ref)
            await tx.announce(tenant_id, model.id, "changed")
            return model

        model = await self._repository.run(put)
        self._serving.changed(tenant_id, model.id)
        return DefaultModel(model_id=model.id, model_name=model.name, version=version_ref)

    async def default(self, tenant_id: str) -> DefaultModel:
        """Raises NoDefaultModel."""
        async with self._repository.transaction() as tx:
            return await tx.default(tenant_id)

    async def delete_default(self, tenant_id: str) -> None:
        """Raises NoDefaultModel."""

        async def delete(tx: ModelTransaction) -> Model:
            model = await tx.model(tenant_id, DEFAULT)
            await tx.delete_default(tenant_id)
            await tx.announce(tenant_id, model.id, "changed")
            return model

        self._serving.changed(tenant_id, (await self._repository.run(delete)).id)

    async def load(self, tenant_id: str, reference: str, version_ref: str | None) -> LoadedModel:
        """Into this process's memory now, into every other's soon, and again after each start."""
        async with self._repository.transaction() as tx:
            stored = await tx.version(tenant_id, reference, version_ref)
        model = await self._runtime.pin(stored)

        async def remember(tx: ModelTransaction) -> None:
            await tx.add_load(tenant_id, stored.version)
            await tx.announce(tenant_id, stored.version.model_id, "load")

        await self._repository.run(remember)
        return LoadedModel(
            model_id=model.model_id, model_name=model.name, version=model.number, n_bytes=model.n_bytes, loaded=True
        )

    async def unload(self, tenant_id: str, reference: str) -> None:
        """Out of every process's memory; a later predict loads it again."""

        async def forget(tx: ModelTransaction) -> Model:
            model = await tx.model(tenant_id, reference)
            await tx.remove_loads(tenant_id, model)
            await tx.announce(tenant_id, model.id, "unload")
            return model

        self._forget(tenant_id, (await self._repository.run(forget)).id)

    def _forget(self, tenant_id: str, model_id: UUID) -> None:
        self._serving.changed(tenant_id, model_id)
        self._serving.dropped(model_id)


def _new_version(artefact: Artefact, object_key: str, digest: str) -> NewVersion:
    manifest = artefact.manifest.to_json()
    return NewVersion(object_key, digest, artefact.n_bytes, artefact.key_hint, manifest)
