"""Load, unload and pin: what is to be in memory is a row that every replica follows; whether it is, each tells."""

from uuid import UUID

from pynomaly_contracts.models import LoadedModel, LoadFailure, Model, VersionServing

from model_service.records import StoredVersion
from model_service.repository import ModelRepository, ModelTransaction
from model_service.runtime import Failure, ModelRuntime, ServedModel
from model_service.serving import Serving


class Residency:
    """What every replica is to have in memory, and what this one has."""

    def __init__(self, repository: ModelRepository, runtime: ModelRuntime, serving: Serving, *, replica: str) -> None:
        self._repository, self._runtime, self._serving = repository, runtime, serving
        self._replica = replica

    async def load(self, tenant_id: str, model_ref: str, version_ref: str | None) -> LoadedModel:
        """Into this process's memory now, into every other's soon, and again after each start, until it is unloaded."""
        return await self._keep(tenant_id, model_ref, version_ref, pinned=False)

    async def pin(self, tenant_id: str, model_ref: str, version_ref: str) -> LoadedModel:
        """As `load`, until it is unpinned."""
        return await self._keep(tenant_id, model_ref, version_ref, pinned=True)

    async def unpin(self, tenant_id: str, model_ref: str, version_ref: str) -> None:
        """It may leave memory when there is no room."""

        async def unpin(tx: ModelTransaction) -> UUID | None:
            model = await tx.models.locked(tenant_id, model_ref)
            version = await tx.versions.find(tenant_id, str(model.id), version_ref)
            await tx.loads.unpin(version)
            await tx.announce(tenant_id, model.id, "load")
            return version.id if await tx.loads.desired(version.id) == "on_demand" else None

        version_id = await self._repository.run(unpin)
        if version_id is not None:
            self._runtime.release(version_id)

    async def unload(self, tenant_id: str, model_ref: str) -> None:
        """Out of every process's memory, but for what is pinned; a later predict loads it again."""

        async def forget(tx: ModelTransaction) -> Model:
            model = await tx.models.locked(tenant_id, model_ref)
            await tx.loads.unload(tenant_id, model)
            await tx.announce(tenant_id, model.id, "unload")
            return model

        model = await self._repository.run(forget)
        self._serving.changed(tenant_id, model.id)
        self._serving.dropped(model.id)

    async def standing(self, tenant_id: str, model_ref: str, version_ref: str) -> VersionServing:
        """Desired and actual state of one version."""
        async with self._repository.transaction() as tx:
            stored = await tx.versions.find(tenant_id, model_ref, version_ref)
            desired = await tx.loads.desired(stored.id)
        held = self._runtime.loaded(stored.id)
        return VersionServing(
            model_id=stored.model_id,
            model_name=stored.model_name,
            version=stored.number,
            desired=desired,
            replica=self._replica,
            state="loaded" if held else "loading" if self._runtime.is_loading(stored.id) else "absent",
            n_bytes=held.n_bytes if held else None,
            loaded_at=held.loaded_at if held else None,
            last_error=_told(self._runtime.failure(stored.id)),
        )

    async def _keep(self, tenant_id: str, model_ref: str, version_ref: str | None, *, pinned: bool) -> LoadedModel:
        async with self._repository.transaction() as tx:
            stored = await tx.versions.find(tenant_id, model_ref, version_ref)
        was_kept = self._runtime.is_kept(stored.id)
        held = await self._runtime.keep(stored, pinned=pinned)
        try:
            await self._repository.run(lambda tx: _remember(tx, stored, pinned))
        except BaseException:
            if not was_kept:
                self._runtime.release(stored.id)  # what is wanted is what the database says
            raise
        return _answer(held)


async def _remember(tx: ModelTransaction, stored: StoredVersion, pinned: bool) -> None:
    """Raises NotFound where the version was deleted while it was loaded."""
    await tx.models.locked(stored.tenant_id, str(stored.model_id))
    await tx.versions.find(stored.tenant_id, str(stored.model_id), str(stored.id))
    await (tx.loads.pin(stored) if pinned else tx.loads.load(stored))
    await tx.announce(stored.tenant_id, stored.model_id, "load")


def _answer(held: ServedModel) -> LoadedModel:
    return LoadedModel(
        model_id=held.model_id, model_name=held.name, version=held.number, n_bytes=held.n_bytes, loaded=True
    )


def _told(failure: Failure | None) -> LoadFailure | None:
    return None if failure is None else LoadFailure(type=failure.error.type, detail=str(failure.error), at=failure.at)
