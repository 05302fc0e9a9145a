"""/invocations, /ping, /version: MLflow's scoring protocol. Invoking is a hot path: bytes in, bytes out."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field
from pynomaly_chassis.bare import BareRoute
from pynomaly_chassis.identity import caller_of
from pynomaly_chassis.inline_schema import inline_schema
from pynomaly_chassis.problems import UnsupportedMediaType

from model_service.api.kserve import PredictionsV1, query_parameters
from model_service.csv_rows import read_csv
from model_service.invocations import Given, Invocations, asked_in_query
from model_service.mlflow import read_json

PREFIXES = ("/invocations", "/ping", "/version")
JSON, CSV = "application/json", "text/csv"
_READ: dict[str, Callable[..., Given]] = {JSON: read_json, CSV: read_csv}


class Failure(BaseModel):
    """Every error of the protocol. error_code: one of MLflow's, such as BAD_REQUEST."""

    error_code: str
    message: str


class DataframeSplit(BaseModel):
    """A data frame: its columns' names, and its rows as arrays in their order."""

    columns: list[str] | None = None
    index: list[Any] | None = None
    data: list[list[Any]]


class Params(BaseModel):
    """Which model scores, and whether confidence is wanted; the query can say the same."""

    model_id: str | None = Field(default=None, min_length=1, max_length=128)
    version: str | None = Field(default=None, min_length=1, max_length=128)
    return_confidence: bool = False


class Invocation(BaseModel):
    """Exactly one of the four forms of rows."""

    dataframe_split: DataframeSplit | None = None
    dataframe_records: list[dict[str, Any]] | None = None
    instances: list[dict[str, Any] | list[Any]] | None = None
    inputs: list[dict[str, Any] | list[Any]] | dict[str, Any] | None = None
    params: Params | None = None


def _fails(description: str) -> dict[str, Any]:
    return {"description": description, "content": {JSON: {"schema": inline_schema(Failure)}}}


ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": _fails("The request is at fault."),
    "5XX": _fails("The server is at fault."),
}
_INVOKE = {
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": inline_schema(Invocation)},
            CSV: {"schema": {"type": "string"}, "example": "age,tsh,t3\n0.73,0.0006,0.015\n"},
        },
    },
    "parameters": query_parameters("model_id", "version", "return_confidence"),
}
router = APIRouter(tags=["MLflow"], responses=ERRORS)
hot = APIRouter(tags=["MLflow"], responses=ERRORS, route_class=BareRoute)


@router.get("/ping", response_class=PlainTextResponse, summary="The process runs")
async def ping() -> str:
    return "\n"


@router.get("/version", response_class=PlainTextResponse, summary="The server's version")
async def version(request: Request) -> str:
    return str(request.app.version)


@hot.post("/invocations", summary="Score rows", response_model=PredictionsV1, openapi_extra=_INVOKE)
async def invoke(request: Request) -> Response:
    """Rows in, predictions out, with the default model unless `model_id` names another. Changes nothing."""
    read = partial(_READ[_sent_type(request)], asked=asked_in_query(request.query_params))
    use_case: Invocations = request.app.state.invocations
    return Response(await use_case(caller_of(request).tenant_id, request.stream(), read), media_type=JSON)


def _sent_type(request: Request) -> str:
    header = request.headers.get("content-type", "")
    sent, _, parameters = header.partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if sent.strip().lower() not in _READ or charset not in {"", "utf-8", "utf8"}:
        raise UnsupportedMediaType(f"send {JSON} or {CSV}, in UTF-8, not {header[:128] or 'an untyped body'!r}")
    return sent.strip().lower()
