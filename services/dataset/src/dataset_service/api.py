"""Routes: parse, one call, return."""

from typing import Annotated, Any

from fastapi import Depends, Header, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from pynomaly_chassis.accepting import prefers_html
from pynomaly_chassis.app import json_router
from pynomaly_chassis.idempotency import IdempotencyKey
from pynomaly_chassis.identity import CurrentCaller
from pynomaly_chassis.paging import Paging
from pynomaly_chassis.problems import UnsupportedMediaType
from pynomaly_contracts.base import ColumnName, Page, Seed
from pynomaly_contracts.datasets import (
    Dataset,
    DatasetUpdate,
    DatasetVersion,
    DatasetVersions,
    DownloadLink,
    QualityReport,
    SampleRows,
    Split,
    SplitRequest,
)
from pynomaly_contracts.media import ARROW_STREAM, CSV, EXCEL, HTML, JSON, NDJSON, PARQUET

from dataset_service.download import Downloads
from dataset_service.formats import READABLE
from dataset_service.quality_page import render_page
from dataset_service.reading import UploadFields, VersionFields
from dataset_service.rows import FORMATS, RowsWanted
from dataset_service.versions import VersionService

router = json_router("/datasets", "datasets")


def _service(request: Request) -> VersionService:
    service: VersionService = request.app.state.datasets
    return service


Datasets = Annotated[VersionService, Depends(_service)]


Version = Annotated[
    str | None, Query(max_length=20, pattern=r"^[0-9]+$", description="Default: the newest.", examples=["1"])
]


class _RowsQuery(RowsWanted):
    """Which rows and columns, from the query string."""

    def __init__(
        self,
        *,
        columns: Annotated[list[ColumnName] | None, Query(max_length=10_000, description="Default: all.")] = None,
        offset: Annotated[int, Query(ge=0, le=10**12, description="Rows to leave out first.")] = 0,
        limit: Annotated[int | None, Query(ge=1, le=10**12, description="Default: all.")] = None,
        filters: Annotated[
            list[str] | None,
            Query(alias="filter", max_length=32, description="All hold: `age>=30`, `city=Oslo`, `city!=` (is there)."),
        ] = None,
        version: Version = None,
        escape_formulas: Annotated[
            bool,
            Query(description="In CSV: an apostrophe before texts that a spreadsheet would compute, such as `=1`."),
        ] = False,
    ) -> None:
        super().__init__(columns, offset, limit, tuple(filters or ()), version, escape_formulas)


Reference = Annotated[str, Path(max_length=256, description="Id or name.", examples=["thyroid"])]

_FILE = {"type": "string", "contentMediaType": "application/octet-stream", "description": f"{READABLE}."}
_SPOKEN = UploadFields.model_json_schema()
_UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "name"],
                    "additionalProperties": False,
                    "properties": {"file": _FILE, **_SPOKEN["properties"]},
                },
            }
        },
    }
}
_BARE = {kind: {"schema": _FILE} for kind in (CSV, NDJSON, JSON, PARQUET, ARROW_STREAM, EXCEL)}
_BARE_BODY: dict[str, Any] = {"requestBody": {"required": True, "content": _BARE}}
_VERSION_FORM = {"type": "object", "required": ["file"], "properties": {"file": _FILE}}
_VERSION_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {**_BARE, "multipart/form-data": {"schema": _VERSION_FORM}}}
}


@router.post(
    "/upload",
    status_code=201,
    summary="Upload a file",
    response_model=Dataset,
    openapi_extra=_UPLOAD_BODY,
)
async def upload(
    request: Request, datasets: Datasets, caller: CurrentCaller, idempotency_key: IdempotencyKey = None
) -> Response:
    """Stream a file into a new data set. Types are found over the whole file; rows keep their order.

    CSV, NDJSON, JSON, Parquet, Arrow and Excel, plain or as gzip or zstd; how it was read is in the answer's `source`.
    """
    content_type = request.headers.get("content-type", "")
    return await datasets.upload(caller.tenant_id, request.stream(), content_type, idempotency_key=idempotency_key)


@router.post("", status_code=201, summary="Send a file as the body", response_model=Dataset, openapi_extra=_BARE_BODY)
async def create_dataset(
    request: Request,
    datasets: Datasets,
    caller: CurrentCaller,
    fields: Annotated[UploadFields, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """As an upload, without a form: the body is the file, the rest is in the query.

    Content-Encoding may be gzip or zstd, with any content type.
    """
    _check_encoding(request.headers.get("content-encoding", "identity"))
    content_type = request.headers.get("content-type", "")
    return await datasets.put(caller.tenant_id, request.stream(), content_type, fields, idempotency_key=idempotency_key)


def _check_encoding(encoding: str) -> None:
    if encoding.strip().lower() not in ("identity", "gzip", "x-gzip", "zstd"):
        raise UnsupportedMediaType(f"Content-Encoding: {encoding[:80]} is not read here; send gzip, zstd or none")


@router.get("", summary="List data sets")
async def list_datasets(
    datasets: Datasets,
    caller: CurrentCaller,
    paging: Paging,
    name: Annotated[
        str | None, Query(max_length=128, pattern=r"^[A-Za-z0-9._-]*$", description="Names that begin so.")
    ] = None,
) -> Page[Dataset]:
    """Newest first."""
    return await datasets.page(caller.tenant_id, paging, name)


@router.get("/{dataset}", summary="One data set")
async def get_dataset(
    dataset: Reference, datasets: Datasets, caller: CurrentCaller, version: Version = None
) -> Dataset:
    """By id or name, as one of its versions has it."""
    return await datasets.get(caller.tenant_id, dataset, version)


@router.post(
    "/{dataset}/versions",
    status_code=201,
    summary="Add a version",
    response_model=DatasetVersion,
    openapi_extra=_VERSION_BODY,
)
async def add_version(
    request: Request,
    dataset: Reference,
    datasets: Datasets,
    caller: CurrentCaller,
    *,
    fields: Annotated[VersionFields, Query()],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Of a file, as a form or as the body: its rows after those that there are (append), or instead of them (replace).

    Versions never change; models keep saying which one they were trained on.
    """
    _check_encoding(request.headers.get("content-encoding", "identity"))
    content_type = request.headers.get("content-type", "")
    return await datasets.add_version(
        caller.tenant_id, dataset, request.stream(), content_type, fields, idempotency_key=idempotency_key
    )


@router.get("/{dataset}/versions", summary="Every version")
async def list_versions(dataset: Reference, datasets: Datasets, caller: CurrentCaller) -> DatasetVersions:
    """The newest first, each with what changed in it."""
    return await datasets.versions(caller.tenant_id, dataset)


@router.get("/{dataset}/versions/{version}", summary="One version")
async def get_version(
    dataset: Reference,
    version: Annotated[str, Path(max_length=20, pattern=r"^[0-9]+$", examples=["1"])],
    datasets: Datasets,
    caller: CurrentCaller,
) -> DatasetVersion:
    """Its rows, columns and origin, and what changed in it."""
    return await datasets.version(caller.tenant_id, dataset, version)


@router.get(
    "/{dataset}/download",
    summary="The whole data set as Parquet",
    response_class=Response,
    responses={
        200: {
            "content": {
                PARQUET: {"schema": {"type": "string"}},
                JSON: {"schema": DownloadLink.model_json_schema()},
            }
        },
        206: {"description": "The range of bytes that was asked for."},
        304: {"description": "The caller has these bytes already."},
        307: {"description": "Where the object storage gives the bytes itself, until the link expires."},
    },
)
async def download_dataset(
    request: Request, dataset: Reference, caller: CurrentCaller, version: Version = None
) -> Response:
    """The stored file. From S3, Google Cloud Storage or Azure by a link (307) that holds for some minutes.

    Who accepts application/json gets the link and its end in place of the redirect; ETag and Range as of files.
    """
    downloads: Downloads = request.app.state.downloads
    return await downloads.download(caller.tenant_id, dataset, version, request.headers)


@router.patch("/{dataset}", summary="Change what is said of a data set")
async def update_dataset(
    dataset: Reference, wanted: DatasetUpdate, datasets: Datasets, caller: CurrentCaller
) -> Dataset:
    """Its name, description or target column; the rows never change."""
    return await datasets.update(caller.tenant_id, dataset, wanted)


@router.delete("/{dataset}", status_code=204, summary="Delete a data set")
async def delete_dataset(dataset: Reference, datasets: Datasets, caller: CurrentCaller) -> None:
    """Its name is free at once; work that runs on it ends in peace; its bytes are collected a day later."""
    await datasets.delete(caller.tenant_id, dataset)


@router.get(
    "/{dataset}/quality",
    summary="Figures and warnings",
    response_model=QualityReport,
    responses={200: {"content": {HTML: {"schema": {"type": "string"}}}}},
)
async def get_quality(
    dataset: Reference,
    datasets: Datasets,
    caller: CurrentCaller,
    version: Version = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
) -> Response:
    """Per column and as a whole, over all rows: as JSON, or as a page with plots where text/html is accepted first."""
    found, report = await datasets.quality(caller.tenant_id, dataset, version)
    if prefers_html(accept):
        return HTMLResponse(render_page(found, report), headers={"vary": "accept"})
    return Response(report.model_dump_json(), media_type=JSON, headers={"vary": "accept"})


@router.get("/{dataset}/sample", summary="Some rows")
async def get_sample(
    dataset: Reference,
    datasets: Datasets,
    caller: CurrentCaller,
    *,
    n: Annotated[int, Query(ge=1, le=1000, description="Rows.")] = 10,
    seed: Annotated[Seed, Query()] = 0,
    version: Version = None,
) -> SampleRows:
    """Drawn without replacement, in file order. The same seed draws the same rows."""
    return await datasets.sample(caller.tenant_id, dataset, version, n_rows=n, seed=seed)


@router.post("/{dataset}/split", status_code=201, summary="Cut into disjoint parts", response_model=Split)
async def split_dataset(
    dataset: Reference,
    wanted: SplitRequest,
    datasets: Datasets,
    caller: CurrentCaller,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Each row is in exactly one part; rows keep their order. The same seed makes the same parts."""
    return await datasets.split(caller.tenant_id, dataset, wanted, idempotency_key=idempotency_key)


@router.get(
    "/{dataset}/rows",
    summary="The rows, as CSV, NDJSON, Arrow or Parquet",
    response_class=StreamingResponse,
    responses={
        200: {"content": {offered.media_type: {"schema": {"type": "string"}} for offered in FORMATS}},
        206: {"description": "The range of bytes that was asked for."},
        304: {"description": "The caller has these bytes already."},
    },
)
async def get_rows(
    request: Request,
    dataset: Reference,
    datasets: Datasets,
    caller: CurrentCaller,
    wanted: Annotated[_RowsQuery, Depends()],
) -> Response:
    """In file order, by the Accept header: text/csv (default), application/x-ndjson, Arrow's IPC stream or Parquet.

    If-None-Match with the answer's ETag gives 304; Range goes on with an interrupted download.
    """
    return await datasets.rows(caller.tenant_id, dataset, wanted, request.headers)
