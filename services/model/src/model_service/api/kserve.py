"""/v1/models: KServe's first protocol. Predicting is a hot path: bytes in, bytes out."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from pynomaly_chassis.bare import BareRoute
from pynomaly_chassis.identity import CurrentCaller, caller_of
from pynomaly_chassis.inline_schema import inline_schema
from pynomaly_chassis.problems import Unavailable

from model_service import kserve
from model_service.api.dependencies import InferenceCatalogue, ModelRef
from model_service.invocations import Invocations, asked_in_query
from model_service.open_inference.catalogue import Target
from model_service.open_inference.documents import ERRORS

PREFIX, TAG, JSON = "/v1/models", "KServe v1", "application/json"
router = APIRouter(prefix=PREFIX, tags=[TAG], responses=ERRORS)
hot = APIRouter(prefix=PREFIX, tags=[TAG], responses=ERRORS, route_class=BareRoute)


class ModelNames(BaseModel):
    """Every model."""

    models: list[str]


class ModelState(BaseModel):
    """A prediction with this model would be answered."""

    name: str
    ready: bool


class PredictV1Request(BaseModel):
    """Rows: objects of named features, or arrays in the model's order. Other members are ignored."""

    instances: list[dict[str, Any] | list[Any]] = Field(min_length=1, examples=[[[0.73, 0.0006, 0.015]]])


class RowScores(BaseModel):
    """As in /api/v1/predict; confidence only where it is asked for."""

    prediction: float
    is_anomaly: bool
    raw_score: float
    confidence: float | None = None


class PredictionsV1(BaseModel):
    """One object per row, in order."""

    predictions: list[RowScores]


def query_parameters(*names: str) -> list[dict[str, Any]]:
    """Of a route that reads its query itself, as its description has them."""
    schemas = {"return_confidence": {"type": "boolean", "default": False}}
    reference = {"type": "string", "minLength": 1, "maxLength": 128}
    return [{"name": name, "in": "query", "schema": schemas.get(name, reference)} for name in names]


_BODY = {"required": True, "content": {JSON: {"schema": inline_schema(PredictV1Request)}}}
_MODEL = {"name": "model", "in": "path", "required": True, "schema": {"type": "string", "maxLength": 128}}


@router.get("", summary="Every model's name")
async def list_models(catalogue: InferenceCatalogue, caller: CurrentCaller) -> ModelNames:
    entries = await catalogue.index(caller.tenant_id, ready_only=False)
    return ModelNames(models=list(dict.fromkeys(entry.name for entry in entries)))


@router.get("/{model}", summary="A prediction with the model would be answered")
async def model_ready(catalogue: InferenceCatalogue, caller: CurrentCaller, model: ModelRef) -> ModelState:
    if not await catalogue.is_model_ready(Target(caller.tenant_id, model, None)):
        raise Unavailable(f"Model with name {model} is not ready.", retry_after_s=1)
    return ModelState(name=model, ready=True)


@hot.post(
    "/{model}:predict",
    summary="Score rows",
    response_model=PredictionsV1,
    openapi_extra={
        "requestBody": _BODY,
        "parameters": [_MODEL, *query_parameters("version", "return_confidence")],
    },
)
async def predict(request: Request) -> Response:
    """Instances in, predictions out. A row's scores do not depend on the rows beside it. Changes nothing."""
    asked = asked_in_query(request.query_params, request.path_params["model"])
    use_case: Invocations = request.app.state.invocations
    read = partial(kserve.read, asked=asked)
    return Response(await use_case(caller_of(request).tenant_id, request.stream(), read), media_type=JSON)
