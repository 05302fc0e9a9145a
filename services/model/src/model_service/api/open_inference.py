"""/v2: the Open Inference Protocol. Inference is the hot path: bytes in, bytes out."""

from functools import partial
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, StrictBool, ValidationError
from pynomaly_chassis.bare import BareRoute
from pynomaly_chassis.identity import CurrentCaller, caller_of
from pynomaly_chassis.problems import Invalid, UnsupportedMediaType

from model_service.api.dependencies import InferenceCatalogue, ModelRef, VersionRef
from model_service.open_inference import documents
from model_service.open_inference.catalogue import Target
from model_service.open_inference.infer import Infer
from model_service.open_inference.rest import HEADER_LENGTH, JSON, OCTETS, header_length, read, render

PREFIX, TAG = "/v2", "open inference"
router = APIRouter(prefix=PREFIX, tags=[TAG], responses=documents.ERRORS)
hot = APIRouter(prefix=PREFIX, tags=[TAG], responses=documents.ERRORS, route_class=BareRoute)
MODEL, VERSION = "/models/{model}", "/models/{model}/versions/{version}"
Asked = TypeVar("Asked", bound=BaseModel)


class IndexQuery(BaseModel):
    """ready: only what is in memory."""

    ready: StrictBool = False


class LoadQuery(BaseModel):
    """parameters: none are taken; a model is loaded as it was signed."""

    parameters: dict[str, Any] = {}


@router.get("/health/live", summary="The process runs")
async def live() -> documents.Liveness:
    return documents.Liveness(live=True)


@router.get("/health/ready", summary="Inference can be asked for", responses={503: {"model": documents.Readiness}})
async def ready(catalogue: InferenceCatalogue, response: Response) -> documents.Readiness:
    is_ready = await catalogue.is_ready()
    response.status_code = 200 if is_ready else 503
    return documents.Readiness(ready=is_ready)


@router.get("", summary="The server, and its extensions of the protocol")
async def server_metadata(catalogue: InferenceCatalogue) -> documents.ServerMetadata:
    return documents.ServerMetadata(**catalogue.server())


@router.get(MODEL, summary="A model: its columns are its inputs")
async def model_metadata(
    catalogue: InferenceCatalogue, caller: CurrentCaller, model: ModelRef
) -> documents.ModelMetadata:
    return documents.ModelMetadata(**await catalogue.model(Target(caller.tenant_id, model, None)))


@router.get(VERSION, summary="A version of a model")
async def version_metadata(
    catalogue: InferenceCatalogue, caller: CurrentCaller, model: ModelRef, version: VersionRef
) -> documents.ModelMetadata:
    return documents.ModelMetadata(**await catalogue.model(Target(caller.tenant_id, model, version)))


@router.get(
    MODEL + "/ready", summary="An inference would be answered", responses={503: {"model": documents.ModelReadiness}}
)
async def model_ready(
    catalogue: InferenceCatalogue, caller: CurrentCaller, model: ModelRef, response: Response
) -> documents.ModelReadiness:
    return await _readiness(catalogue, Target(caller.tenant_id, model, None), response)


@router.get(
    VERSION + "/ready", summary="An inference would be answered", responses={503: {"model": documents.ModelReadiness}}
)
async def version_ready(
    catalogue: InferenceCatalogue, caller: CurrentCaller, model: ModelRef, version: VersionRef, response: Response
) -> documents.ModelReadiness:
    return await _readiness(catalogue, Target(caller.tenant_id, model, version), response)


@router.post("/repository/index", summary="Every version of every model, and whether it is in memory")
async def repository_index(
    catalogue: InferenceCatalogue, caller: CurrentCaller, request: Request
) -> list[documents.IndexItem]:
    query = await _asked(request, IndexQuery)
    found = await catalogue.index(caller.tenant_id, ready_only=query.ready)
    return [documents.IndexItem(**entry._asdict()) for entry in found]


@router.post("/repository/models/{model}/load", summary="Bring the latest version into memory, here and everywhere")
async def repository_load(
    catalogue: InferenceCatalogue, caller: CurrentCaller, model: ModelRef, request: Request
) -> dict[str, Any]:
    query = await _asked(request, LoadQuery)
    await catalogue.load(caller.tenant_id, model, with_parameters=bool(query.parameters))
    return {}


@router.post("/repository/models/{model}/unload", summary="Take every version out of memory, here and everywhere")
async def repository_unload(
    catalogue: InferenceCatalogue, caller: CurrentCaller, model: ModelRef, request: Request
) -> dict[str, Any]:
    await _asked(request, LoadQuery)
    await catalogue.unload(caller.tenant_id, model)
    return {}


@hot.post(
    MODEL + "/infer",
    summary="Score rows",
    response_model=documents.InferenceAnswer,
    responses=documents.INFERRED,
    openapi_extra=documents.infer_with("model"),
)
@hot.post(
    VERSION + "/infer",
    summary="Score rows with one version",
    response_model=documents.InferenceAnswer,
    responses=documents.INFERRED,
    openapi_extra=documents.infer_with("model", "version"),
)
async def infer(request: Request) -> Response:
    """Tensors in, tensors out, as JSON or binary. A row's scores do not depend on the rows beside it."""
    _check_type(request)
    n_json = header_length(request.headers.get(HEADER_LENGTH))
    use_case: Infer = request.app.state.infer
    tenant_id, path = caller_of(request).tenant_id, request.path_params
    with use_case.counted(), use_case.intake.place() as place:
        pieces = await place.pieces(request.stream())
        reading = partial(read, path["model"], path.get("version"), pieces, n_json)
        answer = await use_case(tenant_id, place.n_bytes, reading, render)
    if answer.n_json is None:
        return Response(answer.content, media_type=JSON)
    return Response(answer.content, media_type=OCTETS, headers={HEADER_LENGTH: str(answer.n_json)})


async def _readiness(catalogue: InferenceCatalogue, target: Target, response: Response) -> documents.ModelReadiness:
    is_ready = await catalogue.is_model_ready(target)
    response.status_code = 200 if is_ready else 503
    return documents.ModelReadiness(name=target.model_ref, ready=is_ready)


async def _asked(request: Request, kind: type[Asked]) -> Asked:
    """What the body asks for; clients send an empty one for nothing. Raises Invalid."""
    body = await request.body()
    try:
        return kind.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise Invalid(f"the body is not valid: {error.errors(include_url=False)[0]['msg']}") from error


def _check_type(request: Request) -> None:
    """Clients say JSON or octets, both of both kinds of body, or nothing."""
    headers = request.headers
    content_type = headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if content_type not in (JSON, OCTETS):
        raise UnsupportedMediaType(f"send {JSON} or {OCTETS}, not {content_type[:128]!r}")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("compressed bodies are not read here; send the body as it is")
