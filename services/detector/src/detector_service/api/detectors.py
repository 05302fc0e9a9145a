"""Routes of detectors and of the work they are asked for."""

from fastapi import Response
from pynomaly_chassis.app import json_router
from pynomaly_chassis.idempotency import IdempotencyKey
from pynomaly_chassis.identity import CurrentCaller
from pynomaly_chassis.paging import Paging
from pynomaly_contracts.base import Page
from pynomaly_contracts.detectors import (
    CloneRequest,
    DetectBatchRequest,
    Detector,
    DetectorCreate,
    DetectorUpdate,
    EvaluateRequest,
    RetrainRequest,
    TrainRequest,
)
from pynomaly_contracts.jobs import JobAccepted

from detector_service.api.dependencies import DetectorRef, Detectors, Jobs

router = json_router("/detectors", "detectors")
detect_router = json_router("/detect", "detectors")


@router.post("", status_code=201, response_model=Detector, summary="Create a detector")
async def create_detector(
    wanted: DetectorCreate, caller: CurrentCaller, detectors: Detectors, key: IdempotencyKey = None
) -> Response:
    """An algorithm with its parameters under a name; it detects once it is trained."""
    return await detectors.create(caller.tenant_id, wanted, key)


@router.get("", summary="List detectors")
async def list_detectors(caller: CurrentCaller, detectors: Detectors, paging: Paging) -> Page[Detector]:
    """Newest first."""
    return await detectors.page(caller.tenant_id, paging)


@router.get("/{detector}", summary="One detector")
async def get_detector(detector: DetectorRef, caller: CurrentCaller, detectors: Detectors) -> Detector:
    """By id or name."""
    return await detectors.get(caller.tenant_id, detector)


@router.patch("/{detector}", summary="Change a detector")
async def update_detector(
    detector: DetectorRef, wanted: DetectorUpdate, caller: CurrentCaller, detectors: Detectors
) -> Detector:
    """What the next training uses; versions that are trained stay as they are."""
    return await detectors.update(caller.tenant_id, detector, wanted)


@router.delete("/{detector}", status_code=204, summary="Delete a detector")
async def delete_detector(detector: DetectorRef, caller: CurrentCaller, detectors: Detectors) -> None:
    """Its name is free at once. Its model stays with the model service."""
    await detectors.delete(caller.tenant_id, detector)


@router.post("/{detector}/clone", status_code=201, response_model=Detector, summary="Clone a detector")
async def clone_detector(
    detector: DetectorRef,
    wanted: CloneRequest,
    *,
    caller: CurrentCaller,
    detectors: Detectors,
    key: IdempotencyKey = None,
) -> Response:
    """A new detector, not yet trained, set up as this one but for `changes`."""
    return await detectors.clone(caller.tenant_id, detector, wanted, key)


@router.post("/{detector}/train", status_code=202, response_model=JobAccepted, summary="Train")
async def train_detector(
    detector: DetectorRef,
    wanted: TrainRequest,
    *,
    caller: CurrentCaller,
    jobs: Jobs,
    key: IdempotencyKey = None,
) -> Response:
    """A job that fits the detector on a data set and registers the next version of its model."""
    return await jobs.train(caller.tenant_id, detector, wanted, key)


@router.post("/{detector}/retrain", status_code=202, response_model=JobAccepted, summary="Train again")
async def retrain_detector(
    detector: DetectorRef,
    wanted: RetrainRequest,
    *,
    caller: CurrentCaller,
    jobs: Jobs,
    key: IdempotencyKey = None,
) -> Response:
    """A job that trains the next version, by default on the newest version of the data set that the latest one was
    trained on. Its result tells how the two differ."""
    return await jobs.retrain(caller.tenant_id, detector, wanted, key)


@router.post("/{detector}/evaluate", status_code=202, response_model=JobAccepted, summary="Evaluate")
async def evaluate_detector(
    detector: DetectorRef,
    wanted: EvaluateRequest,
    *,
    caller: CurrentCaller,
    jobs: Jobs,
    key: IdempotencyKey = None,
) -> Response:
    """A job that compares a trained version with the labels of a data set."""
    return await jobs.evaluate(caller.tenant_id, detector, wanted, key)


@detect_router.post("/batch", status_code=202, response_model=JobAccepted, summary="Score a data set")
async def detect_batch(
    wanted: DetectBatchRequest,
    caller: CurrentCaller,
    jobs: Jobs,
    key: IdempotencyKey = None,
) -> Response:
    """A job that scores every row into a new data set: all columns, and raw_score, prediction, is_anomaly.

    By a model, by a detector's latest model, or, where that is what its algorithm does, against itself.
    """
    return await jobs.detect_batch(caller.tenant_id, wanted, key)
