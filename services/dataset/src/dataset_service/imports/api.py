"""Routes of imports."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request, Response
from pynomaly_chassis.app import json_router
from pynomaly_chassis.idempotency import IdempotencyKey
from pynomaly_chassis.identity import CurrentCaller
from pynomaly_chassis.paging import Paging
from pynomaly_contracts.base import Page
from pynomaly_contracts.imports import Import, ImportRequest
from pynomaly_contracts.jobs import JobState

from dataset_service.imports.service import ImportService

router = json_router("/datasets/imports", "imports")


def _service(request: Request) -> ImportService:
    service: ImportService = request.app.state.imports
    return service


Imports = Annotated[ImportService, Depends(_service)]


@router.post("", status_code=202, summary="Import from an address or a query", response_model=Import)
async def create_import(
    wanted: ImportRequest, imports: Imports, caller: CurrentCaller, idempotency_key: IdempotencyKey = None
) -> Response:
    """Make a data set of a file at s3://, gs://, az:// or https://, or of one SELECT on a named connection.

    The operator allows hosts, buckets and connections by name; everything else is a 403 that names the setting.
    """
    return await imports.create(caller.tenant_id, wanted, idempotency_key=idempotency_key)


@router.get("", summary="List imports")
async def list_imports(
    imports: Imports,
    caller: CurrentCaller,
    paging: Paging,
    state: Annotated[JobState | None, Query(description="Only imports in this state.")] = None,
) -> Page[Import]:
    """Newest first."""
    return await imports.page(caller.tenant_id, paging, state)


@router.get("/{job_id}", summary="One import")
async def get_import(job_id: UUID, imports: Imports, caller: CurrentCaller) -> Import:
    """State, stage, bytes and rows; the data set once it is there, the problem once it has failed."""
    return await imports.get(caller.tenant_id, job_id)


@router.post("/{job_id}/cancel", summary="Cancel an import")
async def cancel_import(job_id: UUID, imports: Imports, caller: CurrentCaller) -> Import:
    """At once where it waits, within seconds where it runs. Asking again changes nothing; an ended one is a 409."""
    return await imports.cancel(caller.tenant_id, job_id)
