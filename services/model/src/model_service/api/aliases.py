"""/api/v1/models/{model}/aliases: movable names of versions, and the history of their moves."""

from pynomaly_chassis.app import json_router
from pynomaly_chassis.identity import CurrentCaller
from pynomaly_chassis.paging import Paging
from pynomaly_contracts.base import Page
from pynomaly_contracts.models import AliasList, AliasMove, AliasPut, Model

from model_service.api.dependencies import Alias, ModelAliases, ModelRef

router = json_router("/models/{model}/aliases", "aliases")


@router.get("", summary="A model's aliases, by name")
async def list_aliases(aliases: ModelAliases, caller: CurrentCaller, model: ModelRef) -> AliasList:
    return await aliases.list(caller.tenant_id, model)


@router.put("/{alias}", summary="Point an alias at a version; 409 where it is not where it is expected")
async def put_alias(
    aliases: ModelAliases, caller: CurrentCaller, model: ModelRef, alias: Alias, wanted: AliasPut
) -> Model:
    return await aliases.put(caller.tenant_id, model, alias, wanted)


@router.delete("/{alias}", status_code=204, summary="Remove an alias; the version stays, and the history")
async def delete_alias(aliases: ModelAliases, caller: CurrentCaller, model: ModelRef, alias: Alias) -> None:
    await aliases.delete(caller.tenant_id, model, alias)


@router.get("/{alias}/history", summary="Where an alias was, newest first")
async def alias_history(
    aliases: ModelAliases, caller: CurrentCaller, model: ModelRef, alias: Alias, page: Paging
) -> Page[AliasMove]:
    return await aliases.history(caller.tenant_id, model, alias, page)
