"""Routes of evaluations that are kept."""

from typing import Annotated
from uuid import UUID

from fastapi import Header, Query, Response
from fastapi.responses import HTMLResponse
from pynomaly_chassis.accepting import prefers_html
from pynomaly_chassis.app import json_router
from pynomaly_chassis.identity import CurrentCaller
from pynomaly_chassis.paging import Paging
from pynomaly_contracts.base import Page
from pynomaly_contracts.evaluations import Comparison, Evaluation, Metric
from pynomaly_contracts.media import HTML, JSON

from detector_service.api.comparison_page import render_page
from detector_service.api.dependencies import DetectorRef, Evaluations

router = json_router("/detectors", "detectors")
_IDS = "2 to 20 detectors, by id or name, with commas between."


@router.get(
    "/compare",
    summary="Compare detectors",
    response_model=Comparison,
    responses={200: {"content": {HTML: {"schema": {"type": "string"}}}}},
)
async def compare_detectors(
    ids: Annotated[str, Query(max_length=4000, description=_IDS, examples=["forest,neighbours"])],
    dataset_id: Annotated[str, Query(min_length=1, max_length=128, description="Id or name.")],
    caller: CurrentCaller,
    evaluations: Evaluations,
    *,
    dataset_version: Annotated[str | None, Query(max_length=32, description="Default: the newest.")] = None,
    metric: Annotated[Metric, Query(description="To rank by.")] = "roc_auc",
    accept: Annotated[str, Header(include_in_schema=False)] = "*/*",
) -> Response:
    """By stored evaluations of their latest versions on the same rows: as JSON, or as a page where text/html is
    accepted first."""
    refs = [ref.strip() for ref in ids.split(",")]
    found = await evaluations.compare(caller.tenant_id, refs, dataset_id, dataset_version, metric)
    if prefers_html(accept):
        return HTMLResponse(render_page(found), headers={"vary": "accept"})
    return Response(found.model_dump_json(), media_type=JSON, headers={"vary": "accept"})


@router.get("/{detector}/evaluations", summary="A detector's evaluations")
async def list_evaluations(
    detector: DetectorRef,
    caller: CurrentCaller,
    evaluations: Evaluations,
    *,
    paging: Paging,
    dataset_id: Annotated[UUID | None, Query(description="Only those on this data set.")] = None,
    model_version: Annotated[
        str | None, Query(max_length=20, pattern=r"^[0-9]+$", description="Only those of this version.")
    ] = None,
) -> Page[Evaluation]:
    """Newest first; those that trainings on labelled rows made among them."""
    return await evaluations.page(caller.tenant_id, detector, paging, dataset_id, model_version)


@router.delete("/{detector}/evaluations/{evaluation_id}", status_code=204, summary="Delete an evaluation")
async def delete_evaluation(
    detector: DetectorRef, evaluation_id: UUID, caller: CurrentCaller, evaluations: Evaluations
) -> None:
    """Comparisons then take the one before it, if there is one. The job that made it stays."""
    await evaluations.delete(caller.tenant_id, detector, evaluation_id)
