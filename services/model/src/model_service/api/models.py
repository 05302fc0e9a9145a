"""/api/v1/models: models and the default."""

from pynomaly_chassis.app import json_router
from pynomaly_chassis.identity import CurrentCaller
from pynomaly_chassis.paging import Paging
from pynomaly_contracts.base import Page
from pynomaly_contracts.models import DefaultModel, DefaultPut, Model

from model_service.api.dependencies import ModelRef, ModelRegistry

router = json_router("/models", "models")


@router.get("", summary="List models, newest first")
async def list_models(registry: ModelRegistry, caller: CurrentCaller, page: Paging) -> Page[Model]:
    return await registry.models(caller.tenant_id, page)


@router.put("/default", summary="Choose what predict without model_id uses")
async def put_default(registry: ModelRegistry, caller: CurrentCaller, wanted: DefaultPut) -> DefaultModel:
    return await registry.put_default(caller.tenant_id, wanted.model_id, wanted.version)


@router.get("/default", summary="What predict without model_id uses; 409 if nothing is chosen")
async def get_default(registry: ModelRegistry, caller: CurrentCaller) -> DefaultModel:
    return await registry.default(caller.tenant_id)


@router.delete("/default", status_code=204, summary="Choose no default; the model stays")
async def delete_default(registry: ModelRegistry, caller: CurrentCaller) -> None:
    await registry.delete_default(caller.tenant_id)


@router.get("/{model}", summary="A model with its aliases")
async def get_model(registry: ModelRegistry, caller: CurrentCaller, model: ModelRef) -> Model:
    return await registry.model(caller.tenant_id, model)


@router.delete(
    "/{model}", status_code=204, summary="Delete a model with all its versions; 409 while something points at one"
)
async def delete_model(registry: ModelRegistry, caller: CurrentCaller, model: ModelRef) -> None:
    await registry.delete(caller.tenant_id, model)
