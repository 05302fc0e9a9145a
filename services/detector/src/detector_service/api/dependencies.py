"""What routes ask for."""

from typing import Annotated

from fastapi import Depends, Path, Request

from detector_service.service.detectors import DetectorService
from detector_service.service.evaluations import EvaluationService
from detector_service.service.jobs import JobService


def _detectors(request: Request) -> DetectorService:
    service: DetectorService = request.app.state.detectors
    return service


def _jobs(request: Request) -> JobService:
    service: JobService = request.app.state.jobs
    return service


def _evaluations(request: Request) -> EvaluationService:
    service: EvaluationService = request.app.state.evaluations
    return service


Detectors = Annotated[DetectorService, Depends(_detectors)]
Jobs = Annotated[JobService, Depends(_jobs)]
Evaluations = Annotated[EvaluationService, Depends(_evaluations)]
DetectorRef = Annotated[str, Path(min_length=1, max_length=128, description="Id or name.")]
