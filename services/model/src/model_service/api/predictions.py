"""/api/v1/predict. The hot path: the body's bytes go straight to the use case, which returns the answer's bytes."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from pynomaly_chassis.app import API_PREFIX
from pynomaly_chassis.bare import BareRoute
from pynomaly_chassis.identity import caller_of
from pynomaly_chassis.inline_schema import inline_schema
from pynomaly_chassis.problems import UnsupportedMediaType
from pynomaly_contracts.media import ARROW_STREAM, JSON, PARQUET
from pynomaly_contracts.predictions import BatchPrediction, BatchPredictRequest, Prediction, PredictRequest

from model_service.bulk.exchange import media_type, render_as, sent_type, table_question, wanted_type
from model_service.predictions import Predictions

router = APIRouter(prefix=API_PREFIX + "/predict", tags=["predictions"], route_class=BareRoute)


TABLE = {"schema": {"type": "string", "format": "binary"}}
TABLES = {ARROW_STREAM: TABLE, PARQUET: TABLE}


def _takes(contract: type[BaseModel]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {JSON: {"schema": inline_schema(contract)}}}}


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": "Of rows in Arrow or Parquet.", "schema": schema}


_REFERENCE = {"type": "string", "minLength": 1, "maxLength": 128}
BATCH = {
    "requestBody": {"required": True, "content": {**_takes(BatchPredictRequest)["requestBody"]["content"], **TABLES}},
    "responses": {"200": {"content": TABLES}},
    "parameters": [
        *(_query(name, _REFERENCE) for name in ("model_id", "version")),
        _query("return_confidence", {"type": "boolean", "default": False}),
    ],
}


@router.post("", summary="Score one row", response_model=Prediction, openapi_extra=_takes(PredictRequest))
async def predict(request: Request) -> Response:
    """One row, as an object of named features or an array in the model's order. Changes nothing."""
    _check_type(request)
    answer = await _predictions(request).one(caller_of(request).tenant_id, request.stream())
    return Response(answer, media_type=JSON)


@router.post("/batch", summary="Score many rows", response_model=BatchPrediction, openapi_extra=BATCH)
async def predict_batch(request: Request) -> Response:
    """Many rows, in order. A row's scores do not depend on the rows beside it. Changes nothing.

    Rows as JSON, or as named columns of an Arrow IPC stream or a Parquet file; then model_id, version and
    return_confidence come in the query. The answer is as Accept says, else as the rows came: JSON, or one column per
    score, and in the schema's metadata the model's id, version and threshold.
    """
    tenant_id, predictions = caller_of(request).tenant_id, _predictions(request)
    sent = sent_type(request.headers)
    wanted = wanted_type(request.headers, sent)
    if sent == JSON:
        answer = await predictions.many(tenant_id, request.stream(), render_as(wanted))
    else:
        asked = table_question(sent, request.query_params)
        answer = await predictions.table(tenant_id, request.stream(), asked, render_as(wanted))
    return Response(answer, media_type=wanted)


def _predictions(request: Request) -> Predictions:
    found: Predictions = request.app.state.predictions
    return found


def _check_type(request: Request) -> None:
    content_type = request.headers.get("content-type", "")
    if content_type != JSON and media_type(content_type) != JSON:
        raise UnsupportedMediaType(f"send {JSON}, not {content_type or 'an untyped body'!r}")
