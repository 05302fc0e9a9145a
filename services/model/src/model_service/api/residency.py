"""Load, unload, pin: which versions are to be in memory, and whether they are."""

from fastapi import Body
from pynomaly_chassis.app import json_router
from pynomaly_chassis.identity import CurrentCaller
from pynomaly_contracts.models import LoadedModel, LoadRequest, VersionServing

from model_service.api.dependencies import ModelRef, ModelResidency, VersionRef

router = json_router("/models/{model}", "serving")


@router.post("/load", summary="Bring a version into memory, here and in every replica")
async def load_model(
    residency: ModelResidency,
    caller: CurrentCaller,
    model: ModelRef,
    wanted: LoadRequest = Body(default=LoadRequest()),
) -> LoadedModel:
    return await residency.load(caller.tenant_id, model, wanted.version)


@router.delete("/unload", status_code=204, summary="Take every version that is not pinned out of memory, everywhere")
async def unload_model(residency: ModelResidency, caller: CurrentCaller, model: ModelRef) -> None:
    await residency.unload(caller.tenant_id, model)


@router.put("/versions/{version}/pin", summary="Keep a version in memory, here and in every replica, come what may")
async def pin_version(
    residency: ModelResidency, caller: CurrentCaller, model: ModelRef, version: VersionRef
) -> LoadedModel:
    return await residency.pin(caller.tenant_id, model, version)


@router.delete("/versions/{version}/pin", status_code=204, summary="Let a version leave memory when there is no room")
async def unpin_version(residency: ModelResidency, caller: CurrentCaller, model: ModelRef, version: VersionRef) -> None:
    await residency.unpin(caller.tenant_id, model, version)


@router.get("/versions/{version}/serving", summary="Whether a version is to be in memory, and is, in this replica")
async def version_serving(
    residency: ModelResidency, caller: CurrentCaller, model: ModelRef, version: VersionRef
) -> VersionServing:
    return await residency.standing(caller.tenant_id, model, version)
