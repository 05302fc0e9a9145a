"""Use cases of jobs that are asked for. Peers are asked before a transaction begins, never inside one."""

from collections.abc import Callable
from uuid import UUID

import structlog
from fastapi import Response
from pydantic import BaseModel
from pynomaly_chassis.flags import Flags
from pynomaly_chassis.idempotency import Claim, CreatedAnswer, IdempotencyKeys, Work, fingerprint
from pynomaly_chassis.jobs import Notifications
from pynomaly_chassis.problems import Invalid
from pynomaly_chassis.travelling import carried
from pynomaly_contracts.admin import Flag
from pynomaly_contracts.detectors import DetectBatchRequest, Detector, EvaluateRequest, RetrainRequest, TrainRequest
from pynomaly_contracts.jobs import JobAccepted, JobKind

from detector_service.clients import DatasetClient, ModelClient
from detector_service.repository import Repository, Transaction
from detector_service.service.detectors import DETECTORS
from detector_service.service.job_book import JOBS, JobBook, JobLimits
from detector_service.service.pinning import (
    check_columns,
    check_trainable,
    is_for_batches,
    score_itself_spec,
    target_of,
    train_spec,
    trained_model,
)
from detector_service.service.retraining import retrain_spec
from detector_service.specs import DetectBatchSpec, EvaluateSpec, TrainSpec

log = structlog.get_logger()
# What ENSEMBLE_ENABLED is about.
ENSEMBLES = frozenset({"Combination", "FeatureBagging"})


class JobService(JobBook):
    """Jobs: asked for here."""

    def __init__(
        self,
        repository: Repository,
        keys: IdempotencyKeys,
        datasets: DatasetClient,
        models: ModelClient,
        *,
        progress: Notifications,
        limits: Callable[[], JobLimits],
        flags: Flags,
    ) -> None:
        super().__init__(repository, keys, progress, limits)
        self._datasets, self._models, self._flags = datasets, models, flags

    async def train(self, tenant_id: str, ref: str, wanted: TrainRequest, idempotency_key: str | None) -> Response:
        """202. Raises DetectorNotFound, DetectorForBatches, DatasetNotFound, DataUnfit, PeerUnavailable."""

        async def submit(claim: Claim) -> CreatedAnswer:
            detector = await self._detector(tenant_id, ref)
            check_trainable(detector)
            dataset = await self._datasets.get(wanted.dataset_id, wanted.dataset_version)
            spec = train_spec(detector, dataset)
            return await self._enqueue(claim, "train", spec, detector.id, time_limit_s=wanted.time_limit_s)

        route = f"POST {DETECTORS}/{{detector}}/train"
        return await self._once(idempotency_key, tenant_id, route, fingerprint(wanted, ref), submit)

    async def retrain(self, tenant_id: str, ref: str, wanted: RetrainRequest, idempotency_key: str | None) -> Response:
        """202. Raises as `train`, and DetectorNotTrained."""

        async def submit(claim: Claim) -> CreatedAnswer:
            detector = await self._detector(tenant_id, ref)
            spec = await retrain_spec(self._datasets, self._models, detector, wanted)
            return await self._enqueue(claim, "train", spec, detector.id, time_limit_s=wanted.time_limit_s)

        route = f"POST {DETECTORS}/{{detector}}/retrain"
        return await self._once(idempotency_key, tenant_id, route, fingerprint(wanted, ref), submit)

    async def evaluate(
        self, tenant_id: str, ref: str, wanted: EvaluateRequest, idempotency_key: str | None
    ) -> Response:
        """202. Raises as `train`, and DetectorNotTrained, ModelNotFound."""

        async def submit(claim: Claim) -> CreatedAnswer:
            detector = await self._detector(tenant_id, ref)
            model_id = trained_model(detector)
            dataset = await self._datasets.get(wanted.dataset_id, wanted.dataset_version)
            target = target_of(dataset, wanted.dataset_id)
            chosen = wanted.model_version or detector.latest_version
            version = await self._models.version(model_id, chosen, field="body.model_version")
            check_columns(dataset, version.feature_names)
            spec = EvaluateSpec(
                dataset_id=dataset.id,
                dataset_version=dataset.version,
                feature_columns=version.feature_names,
                target_column=target,
                model_id=version.model_id,
                model_version=version.version,
            )
            return await self._enqueue(claim, "evaluate", spec, detector.id, time_limit_s=wanted.time_limit_s)

        route = f"POST {DETECTORS}/{{detector}}/evaluate"
        return await self._once(idempotency_key, tenant_id, route, fingerprint(wanted, ref), submit)

    async def detect_batch(self, tenant_id: str, wanted: DetectBatchRequest, idempotency_key: str | None) -> Response:
        """202. Raises DatasetNotFound, ModelNotFound, DetectorNotFound, DetectorNotTrained, DataUnfit,
        PeerUnavailable."""

        async def submit(claim: Claim) -> CreatedAnswer:
            detector = None if wanted.detector_id is None else await self._detector(tenant_id, wanted.detector_id)
            dataset = await self._datasets.get(wanted.dataset_id)
            if detector is not None and is_for_batches(detector):
                itself = score_itself_spec(detector, dataset, wanted)
                return await self._enqueue(claim, "detect_batch", itself, detector.id, time_limit_s=wanted.time_limit_s)
            model, chosen = wanted.model_id or "", wanted.version
            if detector is not None:
                model, chosen = trained_model(detector), wanted.version or detector.latest_version
            version = await self._models.version(model, chosen)
            check_columns(dataset, version.feature_names)
            spec = DetectBatchSpec(
                dataset_id=dataset.id,
                dataset_version=dataset.version,
                feature_columns=version.feature_names,
                n_rows=dataset.n_rows,
                target_column=dataset.target_column,
                model_id=version.model_id,
                model_version=version.version,
                scored_name=wanted.name,
                source_name=dataset.name,
            )
            return await self._enqueue(claim, "detect_batch", spec, time_limit_s=wanted.time_limit_s)

        return await self._once(idempotency_key, tenant_id, "POST /api/v1/detect/batch", fingerprint(wanted), submit)

    async def _detector(self, tenant_id: str, ref: str) -> Detector:
        async with self._repository.transaction() as tx:
            return await tx.detectors.get(tenant_id, ref)

    async def _enqueue(
        self,
        claim: Claim,
        kind: JobKind,
        spec: BaseModel,
        detector_id: UUID | None = None,
        *,
        time_limit_s: float | None,
    ) -> CreatedAnswer:
        if isinstance(spec, TrainSpec) and spec.algorithm in ENSEMBLES:
            self._flags.require(Flag.ENSEMBLE)
        document = spec.model_dump(mode="json")
        self._check_time_limit(time_limit_s)

        async def enqueue(tx: Transaction) -> tuple[UUID, CreatedAnswer]:
            job_id = await tx.jobs.enqueue(
                claim.tenant_id,
                kind,
                document,
                headers=carried(),
                detector_id=detector_id,
                time_limit_s=time_limit_s,
                max_queued=self._limits().max_queued,
            )
            answer = CreatedAnswer(JobAccepted(job_id=job_id), status=202, location=f"{JOBS}/{job_id}")
            await claim.finish(tx.connection, answer)
            return job_id, answer

        job_id, answer = await self._repository.run(enqueue)
        log.info("job.queued", job_id=str(job_id), kind=kind)
        return answer

    def _check_time_limit(self, wanted_s: float | None) -> None:
        most_s = self._limits().time_limit_s
        if wanted_s is not None and wanted_s > most_s:
            message = f"at most {most_s:g} here; whoever runs the suite can raise JOB_TIME_LIMIT_S"
            raise Invalid.field("body.time_limit_s", wanted_s, message)

    async def _once(self, key: str | None, tenant_id: str, route: str, content: str, work: Work) -> Response:
        return await self._keys.once(key, tenant_id=tenant_id, route=route, content=content, work=work)
