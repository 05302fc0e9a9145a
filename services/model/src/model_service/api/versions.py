"""/api/v1/models/{model}/versions: immutable versions and their artefacts."""

import base64

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse
from pynomaly_chassis.app import API_PREFIX
from pynomaly_chassis.idempotency import IdempotencyKey
from pynomaly_chassis.identity import CurrentCaller
from pynomaly_chassis.paging import Paging
from pynomaly_chassis.problems import UnsupportedMediaType
from pynomaly_contracts.base import Page, ResourceName
from pynomaly_contracts.media import ZIP
from pynomaly_contracts.models import ModelVersion

from model_service.api.dependencies import ModelRef, ModelRegistry, VersionRef

router = APIRouter(prefix=API_PREFIX + "/models", tags=["versions"])
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ARTEFACT = {"description": "The signed zip; its ETag is its SHA-256.", "content": {ZIP: _BINARY}}


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


@router.get(
    "/{model}/versions/{version}/artefact",
    summary="The signed artefact",
    response_class=Response,
    responses={200: _ARTEFACT, 304: {"description": "You have it already."}},
)
async def get_artefact(
    registry: ModelRegistry,
    caller: CurrentCaller,
    model: ModelRef,
    version: VersionRef,
    if_none_match: str | None = Header(default=None, description="The ETag of what you have."),
) -> Response:
    found = await registry.artefact(caller.tenant_id, model, version)
    digest = found.version.digest
    headers = {"etag": f'"{digest}"', "repr-digest": f"sha-256=:{base64.b64encode(bytes.fromhex(digest)).decode()}:"}
    if if_none_match is not None and digest in if_none_match:
        return Response(status_code=304, headers=headers)
    headers["content-length"] = str(found.version.n_bytes)
    return StreamingResponse(found.pieces, media_type=ZIP, headers=headers)
