"""What a worker does for each kind of job: fetch, have a child compute, hand over the result."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from pynomaly_contracts.figures import Figures
from pynomaly_contracts.jobs import DetectBatchResult, EvaluateResult, TrainResult, VersionBefore

from detector_service.clients import DatasetClient, ModelClient
from detector_service.repository import Lease
from detector_service.specs import DetectBatchSpec, EvaluateSpec, ScoreItselfSpec, TrainSpec
from detector_service.training.memory import check_fits
from detector_service.worker.agreement import Agreement
from detector_service.worker.keeping import KeptEvaluation, KeptTraining
from detector_service.worker.part_keeping import keeping_parts
from detector_service.worker.sandbox import ARTEFACT, PARTS, ROWS, SCORED, Report, Sandbox
from detector_service.worker.stash import Stash, Trained


class TrainTask:
    """Fit, sign, register."""

    def __init__(
        self,
        datasets: DatasetClient,
        models: ModelClient,
        sandbox: Sandbox,
        stash: Stash,
        *,
        signing_key: Path,
        trusted_keys: Path,
    ) -> None:
        self._datasets, self._models = datasets, models
        self._sandbox, self._stash, self._signing_key = sandbox, stash, signing_key
        self._agreement = Agreement(models, sandbox, trusted_keys)

    async def run(self, lease: Lease, folder: Path, report: Report) -> TrainResult:
        spec = TrainSpec.model_validate(lease.spec)
        trained = await self._stash.find(lease) or await self._train(lease, spec, folder, report)
        report("registering", 0.95)
        version = await self._models.register(spec.detector_name, trained.archive, key=str(lease.job_id))
        return KeptTraining(
            model_id=version.model_id,
            model_name=version.model_name,
            model_version=version.version,
            model_version_id=version.id,
            n_rows=version.n_train,
            feature_columns=version.feature_names,
            ignored_columns=spec.ignored_columns,
            threshold=version.threshold,
            threshold_interval=version.threshold_interval,
            n_anomalies=trained.facts.get("n_anomalies"),
            metrics=Figures.model_validate(version.metrics) if version.metrics else None,
            metrics_absent=trained.facts.get("metrics_absent"),
            fit_duration_s=trained.facts["fit_duration_s"],
            peak_memory_mb=trained.facts.get("peak_memory_mb"),
            rows_per_s=trained.facts.get("rows_per_s"),
            warnings=trained.facts.get("warnings", []),
            paired=trained.facts.get("paired"),
            before=_before(spec, trained),
        )

    async def _train(self, lease: Lease, spec: TrainSpec, folder: Path, report: Report) -> Trained:
        check_fits(spec, self._sandbox.memory_limit_mb)
        report("fetching rows", 0.0)
        await self._datasets.download_rows(spec.dataset_id, spec.dataset_version, folder / ROWS)
        request = {
            **spec.model_dump(mode="json"),
            "signing_key": str(self._signing_key),
            "job_id": str(lease.job_id),
        }
        facts = await self._sandbox.run("train", folder, request, _part(report, 0.1, 0.9))
        archive = await asyncio.to_thread((folder / ARTEFACT).read_bytes)
        if spec.before is not None:
            facts["before"] = await self._agreement.with_before(spec.before, spec.n_rows or 1, folder, report)
        return await self._stash.keep(lease, Trained(archive, facts))


class _ScoringTask:
    """What has a child score a data set with a stored model."""

    def __init__(self, datasets: DatasetClient, models: ModelClient, sandbox: Sandbox, trusted_keys: Path) -> None:
        self._datasets, self._models = datasets, models
        self._sandbox, self._trusted_keys = sandbox, trusted_keys

    async def _score(
        self, command: str, spec: EvaluateSpec | DetectBatchSpec, folder: Path, report: Report, **more: Any
    ) -> dict[str, Any]:
        report("fetching", 0.0)
        await self._models.download_artefact(spec.model_id, spec.model_version, folder / ARTEFACT)
        await self._datasets.download_rows(spec.dataset_id, spec.dataset_version, folder / ROWS)
        request = {**spec.model_dump(mode="json"), "trusted_keys": str(self._trusted_keys), **more}
        return await self._sandbox.run(command, folder, request, _part(report, 0.1, 0.9))


class EvaluateTask(_ScoringTask):
    """Score labelled rows and compare."""

    async def run(self, lease: Lease, folder: Path, report: Report) -> EvaluateResult:
        spec = EvaluateSpec.model_validate(lease.spec)
        found = await self._score("evaluate", spec, folder, report)
        return KeptEvaluation(model_id=spec.model_id, model_version=spec.model_version, **found)


class DetectBatchTask(_ScoringTask):
    """Score rows into a new data set. A try goes on after the last part of the scores that an earlier one kept."""

    def __init__(
        self,
        datasets: DatasetClient,
        models: ModelClient,
        sandbox: Sandbox,
        trusted_keys: Path,
        stash: Stash,
        *,
        part_rows: int,
    ) -> None:
        """part_rows: how many rows' scores are kept together, >= 1; a try takes what others kept of this size."""
        super().__init__(datasets, models, sandbox, trusted_keys)
        self._stash, self._part_rows = stash, part_rows

    async def run(self, lease: Lease, folder: Path, report: Report) -> DetectBatchResult:
        if "detector_id" in lease.spec:
            return await self._score_itself(ScoreItselfSpec.model_validate(lease.spec), lease, folder, report)
        spec = DetectBatchSpec.model_validate(lease.spec)
        async with keeping_parts(self._stash, lease, folder, report, self._part_rows) as told:
            found = await self._score("detect_batch", spec, folder, told, part_rows=self._part_rows)
        scored = await self._store(spec, f"model {spec.model_id} version {spec.model_version}", lease, folder, report)
        await self._stash.drop_parts(lease, [part.name for part in (folder / PARTS).iterdir()])
        return DetectBatchResult(dataset_id=scored, model_id=spec.model_id, model_version=spec.model_version, **found)

    async def _score_itself(
        self, spec: ScoreItselfSpec, lease: Lease, folder: Path, report: Report
    ) -> DetectBatchResult:
        report("fetching", 0.0)
        await self._datasets.download_rows(spec.dataset_id, spec.dataset_version, folder / ROWS)
        request = spec.model_dump(mode="json")
        found = await self._sandbox.run("score_itself", folder, request, _part(report, 0.1, 0.9))
        by = f"detector {spec.detector_id} ({spec.algorithm}) against itself"
        return DetectBatchResult(dataset_id=await self._store(spec, by, lease, folder, report), **found)

    async def _store(
        self, spec: DetectBatchSpec | ScoreItselfSpec, by: str, lease: Lease, folder: Path, report: Report
    ) -> UUID:
        """The id of the scored data set; one of a try that was lost is found again."""
        report("storing", 0.9)
        scored = await self._datasets.upload(
            folder / SCORED,
            name=spec.scored_name or _scored_name(spec.source_name, lease),
            description=f"{spec.source_name} scored by {by}",
            target_column=spec.target_column,
            key=str(lease.job_id),
        )
        return scored.id


def _before(spec: TrainSpec, trained: Trained) -> VersionBefore | None:
    if spec.before is None:
        return None
    return VersionBefore.model_validate(spec.before.model_dump() | trained.facts.get("before", {}))


def _scored_name(source: str, lease: Lease) -> str:
    """Within the 128 characters of a name. The end of a UUIDv7 is its random part."""
    return f"{source[:100]}-scored-{lease.job_id.hex[-8:]}"


def _part(report: Report, begin: float, end: float) -> Callable[[str, float], None]:
    """A report on the part of the job between `begin` and `end`."""
    return lambda stage, progress: report(stage, begin + (end - begin) * progress)
