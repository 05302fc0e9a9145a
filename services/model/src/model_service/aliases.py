"""Aliases: moved one at a time per model, each move on record."""

from collections.abc import Sequence
from uuid import UUID

from pynomaly_chassis.paging import PageRequest
from pynomaly_contracts.base import Page
from pynomaly_contracts.models import Alias, AliasList, AliasMove, AliasPut, Model
from pynomaly_contracts.problems import FieldProblem

from model_service.errors import AliasElsewhere, TooManyAliases
from model_service.holders import check_alias_free
from model_service.records import StoredVersion
from model_service.repository import ModelRepository, ModelTransaction
from model_service.repository.aliases import Mover
from model_service.repository.references import not_found
from model_service.serving import Serving

MAX_ALIASES = 100


class Aliases:
    """The use cases of aliases."""

    def __init__(self, repository: ModelRepository, serving: Serving) -> None:
        self._repository, self._serving = repository, serving

    async def list(self, tenant_id: str, reference: str) -> AliasList:
        """Of one model, by name."""
        async with self._repository.transaction() as tx:
            model = await tx.models.get(tenant_id, reference)
            return AliasList(items=await tx.aliases.of(model))

    async def history(self, tenant_id: str, reference: str, alias: str, page: PageRequest) -> Page[AliasMove]:
        """Newest first; also of an alias that is gone. Raises NotFound where there was none."""
        async with self._repository.transaction() as tx:
            model = await tx.models.get(tenant_id, reference)
            found = await tx.aliases.history(model, alias, before=page.before, limit=page.limit)
            if not found and not await tx.aliases.of(model, alias):
                raise _no_alias(model, alias)
        items, cursor = page.cut(found)
        return Page[AliasMove](items=items, next_cursor=cursor)

    async def put(self, tenant_id: str, reference: str, alias: str, wanted: AliasPut) -> Model:
        """Point it at a version of the model. Raises AliasElsewhere, TooManyAliases, NotFound."""

        async def put(tx: ModelTransaction) -> Model:
            model = await tx.models.locked(tenant_id, reference)
            version = await tx.versions.find(tenant_id, str(model.id), wanted.version)
            present = await tx.aliases.of(model)
            current = next((each for each in present if each.alias == alias), None)
            if current is not None and current.version_id == version.id:
                return model  # RFC 9110, 13.1.1: what the request asks for is so already
            _check_expected(alias, current, wanted)
            _check_count(model, alias, current, present)
            await self._move(tx, alias, version, current, Mover(tenant_id, wanted.reason))
            return await tx.models.get(tenant_id, str(model.id))

        model = await self._repository.run(put)
        self._serving.changed(tenant_id, model.id)
        return model

    async def delete(self, tenant_id: str, reference: str, alias: str) -> None:
        """The versions stay, and the history. Raises NotFound, StillNamed."""

        async def delete(tx: ModelTransaction) -> UUID:
            model = await tx.models.locked(tenant_id, reference)
            found = await tx.aliases.of(model, alias)
            if not found:
                raise _no_alias(model, alias)
            await check_alias_free(tx, tenant_id, model, alias)
            await tx.aliases.delete(model, alias, found[0].version, Mover(tenant_id, None))
            await tx.announce(tenant_id, model.id, "changed")
            return model.id

        self._serving.changed(tenant_id, await self._repository.run(delete))

    async def _move(
        self, tx: ModelTransaction, alias: str, version: StoredVersion, current: Alias | None, mover: Mover
    ) -> None:
        await tx.aliases.move(alias, version, None if current is None else current.version, mover)
        await tx.announce(version.tenant_id, version.model_id, "changed")


def _check_expected(alias: str, current: Alias | None, wanted: AliasPut) -> None:
    if "expected_version" not in wanted.model_fields_set:
        return
    expected = wanted.expected_version
    is_there = (None,) if current is None else (current.version, str(current.version_id))
    if expected not in is_there:
        said = "there is no such alias" if current is None else f"it points at version {current.version}"
        message = f"alias {alias!r} was expected at {expected or 'nothing'}, but {said}; look again, then decide"
        problem = FieldProblem(field="body.expected_version", message=message, value=expected)
        raise AliasElsewhere(message, errors=[problem], current_version=is_there[0])


def _check_count(model: Model, alias: str, current: Alias | None, present: Sequence[Alias]) -> None:
    if current is None and len(present) >= MAX_ALIASES:
        raise TooManyAliases(
            f"model {model.name!r} has {MAX_ALIASES} aliases; remove one before {alias!r} is added", limit=MAX_ALIASES
        )


def _no_alias(model: Model, alias: str) -> Exception:
    return not_found("alias", alias, f"model {model.name!r} has no alias {alias!r}")
