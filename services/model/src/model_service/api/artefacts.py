"""/api/v1/models/{model}/versions/{version}/artefact: the signed bytes, with digests and ranges."""

import base64
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pynomaly_chassis.app import API_PREFIX
from pynomaly_chassis.conditional import is_there_already, range_of, satisfiable
from pynomaly_chassis.identity import CurrentCaller
from pynomaly_contracts.media import ZIP

from model_service.api.dependencies import ModelRef, ModelRegistry, VersionRef
from model_service.service import StoredBytes

router = APIRouter(prefix=API_PREFIX + "/models", tags=["versions"])
_PATH = "/{model}/versions/{version}/artefact"
_BINARY = {ZIP: {"schema": {"type": "string", "format": "binary"}}}
_DIGEST = {"description": "SHA-256, as RFC 9530 writes it.", "schema": {"type": "string"}}
_WHOLE = {"description": "The signed zip; its ETag is its SHA-256.", "headers": {"Repr-Digest": _DIGEST}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {**_WHOLE, "content": _BINARY},
    206: {"description": "The bytes that Range asks for.", "content": _BINARY},
    304: {"description": "You have it already."},
}
_ASKED = [
    {"name": name, "in": "header", "schema": {"type": "string"}, "description": description}
    for name, description in {
        "If-None-Match": "The ETag of what you have.",
        "If-Range": "The ETag of what you have a part of.",
        "Range": "bytes=FIRST-LAST, from 0; bytes=-N: the last N.",
    }.items()
]


@router.head(_PATH, summary="The signed artefact's size and digest", response_class=Response)
async def head_artefact(
    registry: ModelRegistry, caller: CurrentCaller, model: ModelRef, version: VersionRef
) -> Response:
    found = await registry.artefact(caller.tenant_id, model, version)
    headers = {**_headers(found), **_whole(found), "content-type": ZIP}
    return Response(headers=headers)


@router.get(
    _PATH,
    summary="The signed artefact",
    response_class=Response,
    responses=_ANSWERS,
    openapi_extra={"parameters": _ASKED},
)
async def get_artefact(
    registry: ModelRegistry, caller: CurrentCaller, model: ModelRef, version: VersionRef, request: Request
) -> Response:
    found = await registry.artefact(caller.tenant_id, model, version)
    headers, n_bytes = _headers(found), found.version.n_bytes
    if is_there_already(request.headers, headers["etag"]):
        return Response(status_code=304, headers=headers)
    wanted = range_of(request.headers, headers["etag"], n_bytes)
    if wanted is None:
        return StreamingResponse(await found.pieces(None), 200, {**headers, **_whole(found)}, ZIP)
    part = satisfiable(wanted, n_bytes)
    return StreamingResponse(await found.pieces((part.first, part.end)), 206, {**headers, **part.headers}, ZIP)


def _headers(found: StoredBytes) -> dict[str, str]:
    return {"etag": f'"{found.version.digest}"', "repr-digest": _digest(found), "accept-ranges": "bytes"}


def _whole(found: StoredBytes) -> dict[str, str]:
    """The content is the whole representation, so both digests of RFC 9530 are one."""
    return {"content-digest": _digest(found), "content-length": str(found.version.n_bytes)}


def _digest(found: StoredBytes) -> str:
    return f"sha-256=:{base64.b64encode(bytes.fromhex(found.version.digest)).decode()}:"
