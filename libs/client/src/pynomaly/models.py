"""Models and their versions: `client.models`."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

from pynomaly_contracts import media
from pynomaly_contracts.base import Page
from pynomaly_contracts.models import (
    AliasPut,
    DefaultModel,
    DefaultPut,
    LoadedModel,
    LoadRequest,
    Model,
    ModelVersion,
)

from pynomaly.core.blocking import Blocking, blocking, iterating
from pynomaly.core.call import Call, an, delete, get, nothing, path_of, payload, send, text_of
from pynomaly.core.paging import every
from pynomaly.core.session import Session
from pynomaly.files import replaced

Ref = str | UUID


class AsyncModels:
    """Look at models and versions, name them, load them. A model is named by its id or its name."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, model: Ref) -> Model:
        """One model. Raises NotFound."""
        return await self._session.send(get(an(Model), "models", model))

    async def delete(self, model: Ref) -> None:
        """Remove it with all its versions. Raises NotFound."""
        await self._session.send(delete("models", model))

    async def version(self, model: Ref, version: str) -> ModelVersion:
        """One version, by number, UUID or alias. Raises NotFound."""
        return await self._session.send(get(an(ModelVersion), "models", model, "versions", version))

    async def versions(self, model: Ref) -> AsyncIterator[ModelVersion]:
        """Every version, newest first."""
        async for version in every(self._session, an(Page[ModelVersion]), "models", model, "versions"):
            yield version

    async def artefact(self, model: Ref, version: str, to: str | os.PathLike[str]) -> Path:
        """Write the signed artefact, a zip, to the file `to`, which appears whole or not at all."""
        path = path_of(["models", model, "versions", version, "artefact"])
        with replaced(Path(to)) as stream:
            await self._session.download(Call("GET", path, nothing, accept=media.ZIP), stream)
        return Path(to)

    async def load(self, model: Ref, version: str | None = None) -> LoadedModel:
        """Bring a version into memory, so that the first prediction is as fast as the next."""
        body = payload(LoadRequest, version=version)
        return await self._session.send(send("POST", an(LoadedModel), "models", model, "load", payload=body))

    async def unload(self, model: Ref) -> None:
        """Give its memory back; the next prediction loads it again."""
        await self._session.send(delete("models", model, "unload"))

    async def set_alias(self, model: Ref, alias: str, version: str) -> Model:
        """Point the alias at a version."""
        body = payload(AliasPut, version=version)
        return await self._session.send(send("PUT", an(Model), "models", model, "aliases", alias, payload=body))

    async def delete_alias(self, model: Ref, alias: str) -> None:
        """Forget the alias; the version stays."""
        await self._session.send(delete("models", model, "aliases", alias))

    async def default(self) -> DefaultModel:
        """What predict uses without model_id. Raises NotFound when none was chosen."""
        return await self._session.send(get(an(DefaultModel), "models", "default"))

    async def set_default(self, model: Ref, version: str | None = None) -> DefaultModel:
        """Choose what predict uses without model_id; without version, always the latest."""
        body = payload(DefaultPut, model_id=text_of(model), version=version)
        return await self._session.send(send("PUT", an(DefaultModel), "models", "default", payload=body))

    async def list(self) -> AsyncIterator[Model]:
        """Every model, newest first; pages are fetched as they are needed."""
        async for model in every(self._session, an(Page[Model]), "models"):
            yield model


class Models(Blocking[AsyncModels]):
    """Look at models and versions, name them, load them. A model is named by its id or its name."""

    get = blocking(AsyncModels.get)
    delete = blocking(AsyncModels.delete)
    version = blocking(AsyncModels.version)
    versions = iterating(AsyncModels.versions)
    artefact = blocking(AsyncModels.artefact)
    load = blocking(AsyncModels.load)
    unload = blocking(AsyncModels.unload)
    set_alias = blocking(AsyncModels.set_alias)
    delete_alias = blocking(AsyncModels.delete_alias)
    default = blocking(AsyncModels.default)
    set_default = blocking(AsyncModels.set_default)
    list = iterating(AsyncModels.list)
