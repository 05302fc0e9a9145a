"""Models and their versions: `client.models`."""

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import EllipsisType
from typing import Any
from uuid import UUID

from pynomaly_contracts import media
from pynomaly_contracts.base import Page
from pynomaly_contracts.models import (
    Alias,
    AliasList,
    AliasMove,
    AliasPut,
    DefaultModel,
    DefaultPut,
    LoadedModel,
    LoadRequest,
    Model,
    ModelVersion,
    VersionServing,
    VersionUpdate,
)

from pynomaly.core.blocking import Blocking, blocking, iterating
from pynomaly.core.call import Call, an, delete, exactly, get, nothing, path_of, payload, send, text_of
from pynomaly.core.paging import every
from pynomaly.core.session import Session
from pynomaly.files import replaced
from pynomaly.verification import check_digest, check_signature

Ref = str | UUID


class AsyncModels:
    """Look at models and versions, name them, load them. A model is named by its id or its name."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, model: Ref) -> Model:
        """One model. Raises NotFound."""
        return await self._session.send(get(an(Model), "models", model))

    async def delete(self, model: Ref) -> None:
        """Remove it with all its versions. Raises NotFound, Conflict where an alias, the default or a pin is left."""
        await self._session.send(delete("models", model))

    async def version(self, model: Ref, version: str) -> ModelVersion:
        """One version, by number, UUID or alias. Raises NotFound."""
        return await self._session.send(get(an(ModelVersion), "models", model, "versions", version))

    async def versions(self, model: Ref) -> AsyncIterator[ModelVersion]:
        """Every version, newest first."""
        async for version in every(self._session, an(Page[ModelVersion]), "models", model, "versions"):
            yield version

    async def update_version(self, /, model: Ref, version: str, **changes: Any) -> ModelVersion:
        """Change its notes (text) or labels (a dict of texts), each all anew; None takes it away. Raises NotFound."""
        body = exactly(VersionUpdate, changes)
        call = send("PATCH", an(ModelVersion), "models", model, "versions", version, payload=body)
        return await self._session.send(call)

    async def delete_version(self, model: Ref, version: str) -> None:
        """Remove one version. Raises NotFound, Conflict where an alias, the default or a pin points at it."""
        await self._session.send(delete("models", model, "versions", version))

    async def download(
        self,
        model: Ref,
        version: str,
        to: str | os.PathLike[str],
        *,
        trusted_keys: str | os.PathLike[str] | None = None,
    ) -> Path:
        """Write the signed artefact, a zip, to the file `to`, which appears whole and checked, or not at all.

        Its SHA-256 must be the version's. trusted_keys: a PEM file of public keys, or a folder of them: then the
        signature must be by one of them, which needs the extra `scoring`. Raises NotFound, ArtefactRefused.
        """
        about = await self.version(model, version)
        path = path_of(["models", about.model_id, "versions", about.version, "artefact"])
        with replaced(Path(to)) as stream:
            await self._session.download(Call("GET", path, nothing, accept=media.ZIP), stream)
            check_digest(stream, about.digest)
            if trusted_keys is not None:
                check_signature(stream, Path(trusted_keys))
        return Path(to)

    artefact = download

    async def load(self, model: Ref, version: str | None = None) -> LoadedModel:
        """Bring a version into memory, so that the first prediction is as fast as the next."""
        body = payload(LoadRequest, version=version)
        return await self._session.send(send("POST", an(LoadedModel), "models", model, "load", payload=body))

    async def unload(self, model: Ref) -> None:
        """Give its memory back, but for versions that are pinned; the next prediction loads it again."""
        await self._session.send(delete("models", model, "unload"))

    async def pin(self, model: Ref, version: str) -> LoadedModel:
        """Keep a version in the memory of every replica until it is unpinned."""
        call = Call("PUT", path_of(["models", model, "versions", version, "pin"]), an(LoadedModel))
        return await self._session.send(call)

    async def unpin(self, model: Ref, version: str) -> None:
        """Let a version leave memory where there is no room."""
        await self._session.send(delete("models", model, "versions", version, "pin"))

    async def serving(self, model: Ref, version: str) -> VersionServing:
        """Whether a version is to be in memory, and is, in the replica that answers."""
        return await self._session.send(get(an(VersionServing), "models", model, "versions", version, "serving"))

    async def aliases(self, model: Ref) -> Sequence[Alias]:
        """By name, each with its last move."""
        return (await self._session.send(get(an(AliasList), "models", model, "aliases"))).items

    async def alias_history(self, model: Ref, alias: str) -> AsyncIterator[AliasMove]:
        """Every move, newest first. Raises NotFound where there was never such an alias."""
        async for move in every(self._session, an(Page[AliasMove]), "models", model, "aliases", alias, "history"):
            yield move

    async def set_alias(
        self,
        model: Ref,
        alias: str,
        version: str,
        *,
        expected_version: str | EllipsisType | None = ...,
        reason: str | None = None,
    ) -> Model:
        """Point the alias at a version.

        expected_version: only if it is there now, a number or UUID; None: only if there is no such alias yet.
        Raises NotFound, Conflict where it is elsewhere (problem.type /problems/alias-elsewhere).
        """
        expected = {} if expected_version is ... else {"expected_version": expected_version}
        body = exactly(AliasPut, {"version": version, "reason": reason, **expected})
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
    update_version = blocking(AsyncModels.update_version)
    delete_version = blocking(AsyncModels.delete_version)
    download = blocking(AsyncModels.download)
    artefact = download
    load = blocking(AsyncModels.load)
    unload = blocking(AsyncModels.unload)
    pin = blocking(AsyncModels.pin)
    unpin = blocking(AsyncModels.unpin)
    serving = blocking(AsyncModels.serving)
    aliases = blocking(AsyncModels.aliases)
    alias_history = iterating(AsyncModels.alias_history)
    set_alias = blocking(AsyncModels.set_alias)
    delete_alias = blocking(AsyncModels.delete_alias)
    default = blocking(AsyncModels.default)
    set_default = blocking(AsyncModels.set_default)
    list = iterating(AsyncModels.list)
