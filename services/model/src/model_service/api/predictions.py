"""/api/v1/predict. The hot path: the body's bytes go straight to the use case, which returns the answer's bytes."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pynomaly_chassis.app import API_PREFIX
from pynomaly_chassis.identity import caller_of
from pynomaly_chassis.problems import UnsupportedMediaType
from pynomaly_contracts.predictions import BatchPrediction, BatchPredictRequest, Prediction, PredictRequest

from model_service.predictions import Predictions

JSON = "application/json"


class BareRoute(APIRoute):
    """A documented route that is called with the request alone: no parameters, no dependencies."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


router = APIRouter(prefix=API_PREFIX + "/predict", tags=["predictions"], route_class=BareRoute)


def _takes(contract: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {JSON: {"schema": contract.model_json_schema()}}}}


@router.post("", summary="Score one row", response_model=Prediction, openapi_extra=_takes(PredictRequest))
async def predict(request: Request) -> Response:
    """One row, as an object of named features or an array in the model's order. Changes nothing."""
    _check_type(request)
    answer = await _predictions(request).one(caller_of(request).tenant_id, request.stream())
    return Response(answer, media_type=JSON)


@router.post(
    "/batch", summary="Score many rows", response_model=BatchPrediction, openapi_extra=_takes(BatchPredictRequest)
)
async def predict_batch(request: Request) -> Response:
    """Many rows, in order. A row's scores do not depend on the rows beside it. Changes nothing."""
    _check_type(request)
    answer = await _predictions(request).many(caller_of(request).tenant_id, request.stream())
    return Response(answer, media_type=JSON)


def _predictions(request: Request) -> Predictions:
    found: Predictions = request.app.state.predictions
    return found


def _check_type(request: Request) -> None:
    content_type = request.headers.get("content-type", "")
    if content_type != JSON and content_type.partition(";")[0].strip().lower() != JSON:
        raise UnsupportedMediaType(f"send {JSON}, not {content_type or 'an untyped body'!r}")
