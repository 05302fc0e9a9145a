"""/api/v1/models/{model}/versions: immutable versions."""

from fastapi import APIRouter, Request, Response
from pynomaly_chassis.app import API_PREFIX, json_router
from pynomaly_chassis.idempotency import IdempotencyKey
from pynomaly_chassis.identity import CurrentCaller
from pynomaly_chassis.paging import Paging
from pynomaly_chassis.problems import UnsupportedMediaType
from pynomaly_contracts.base import Page, ResourceName
from pynomaly_contracts.media import ZIP
from pynomaly_contracts.models import ModelVersion, VersionUpdate

from model_service.api.dependencies import ModelRef, ModelRegistry, VersionRef

router = APIRouter(prefix=API_PREFIX + "/models", tags=["versions"])
_BINARY = {"schema": {"type": "string", "format": "binary"}}
described = json_router("/models", "versions")


@router.post(
    "/{model}/versions",
    status_code=201,
    response_model=ModelVersion,
    summary="Register a signed artefact as the model's next version",
    openapi_extra={"requestBody": {"required": True, "content": {ZIP: _BINARY}}},
)
async def register_version(
    registry: ModelRegistry, caller: CurrentCaller, model: ResourceName, request: Request, key: IdempotencyKey = None
) -> Response:
    """The artefact is checked before anything is stored: size, digests, signature, manifest, graph, a trial score.

    The model is made with its first version.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != ZIP:
        raise UnsupportedMediaType(f"send the artefact as {ZIP}, not {content_type or 'an untyped body'!r}")
    return await registry.register(caller.tenant_id, model, await request.body(), key)


@router.get("/{model}/versions", summary="List a model's versions, newest first")
async def list_versions(
    registry: ModelRegistry, caller: CurrentCaller, model: ModelRef, page: Paging
) -> Page[ModelVersion]:
    return await registry.versions(caller.tenant_id, model, page)


@router.get("/{model}/versions/{version}", summary="A version: what was trained, how, on what")
async def get_version(
    registry: ModelRegistry, caller: CurrentCaller, model: ModelRef, version: VersionRef
) -> ModelVersion:
    return await registry.version(caller.tenant_id, model, version)


@described.patch("/{model}/versions/{version}", summary="Change a version's notes and labels")
async def update_version(
    registry: ModelRegistry, caller: CurrentCaller, model: ModelRef, version: VersionRef, wanted: VersionUpdate
) -> ModelVersion:
    return await registry.update_version(caller.tenant_id, model, version, wanted)


@router.delete(
    "/{model}/versions/{version}", status_code=204, summary="Delete a version; 409 while something points at it"
)
async def delete_version(registry: ModelRegistry, caller: CurrentCaller, model: ModelRef, version: VersionRef) -> None:
    await registry.delete_version(caller.tenant_id, model, version)
