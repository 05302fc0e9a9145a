"""What routes ask for."""

from typing import Annotated

from fastapi import Depends, Path, Request
from pynomaly_contracts.headers import REQUEST_ID, TRAVELLING

from detector_service.clients import Travelling
from detector_service.service import DetectorService, JobService

_MAX_HEADER_CHARS = 1024


def _detectors(request: Request) -> DetectorService:
    service: DetectorService = request.app.state.detectors
    return service


def _jobs(request: Request) -> JobService:
    service: JobService = request.app.state.jobs
    return service


def _travelling(request: Request) -> Travelling:
    found = {name: request.headers[name][:_MAX_HEADER_CHARS] for name in TRAVELLING if name in request.headers}
    return found | {REQUEST_ID: request.scope["request_id"]}


Detectors = Annotated[DetectorService, Depends(_detectors)]
Jobs = Annotated[JobService, Depends(_jobs)]
TravellingHeaders = Annotated[Travelling, Depends(_travelling)]
DetectorRef = Annotated[str, Path(min_length=1, max_length=128, description="Id or name.")]
