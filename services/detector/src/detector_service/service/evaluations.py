"""Use cases of evaluations that are kept: listed, deleted, and detectors compared by them."""

from collections.abc import Sequence
from uuid import UUID

from pynomaly_chassis.paging import PageRequest
from pynomaly_chassis.problems import Invalid
from pynomaly_contracts.base import Page
from pynomaly_contracts.datasets import Dataset
from pynomaly_contracts.detectors import Detector
from pynomaly_contracts.evaluations import MAX_COMPARED, MIN_COMPARED, Comparison, Evaluation, Metric

from detector_service.clients import DatasetClient
from detector_service.errors import DatasetNotFound
from detector_service.repository import Repository, Transaction
from detector_service.repository.evaluations import Rows, Sampled
from detector_service.service.comparison import compare


class EvaluationService:
    """Evaluations of detectors."""

    def __init__(self, repository: Repository, datasets: DatasetClient) -> None:
        self._repository, self._datasets = repository, datasets

    async def page(
        self, tenant_id: str, ref: str, wanted: PageRequest, dataset_id: UUID | None, model_version: str | None
    ) -> Page[Evaluation]:
        """A detector's, newest first. Raises DetectorNotFound."""
        async with self._repository.transaction() as tx:
            detector = await tx.detectors.get(tenant_id, ref)
            found = await tx.evaluations.page(
                tenant_id,
                detector.id,
                limit=wanted.limit + 1,
                before=wanted.before,
                dataset_id=dataset_id,
                model_version=model_version,
            )
        items, cursor = wanted.cut(found)
        return Page(items=items, next_cursor=cursor)

    async def delete(self, tenant_id: str, ref: str, evaluation_id: UUID) -> None:
        """One of a detector; the job that made it stays. Raises DetectorNotFound, EvaluationNotFound."""

        async def gone(tx: Transaction) -> None:
            detector = await tx.detectors.get(tenant_id, ref)
            await tx.evaluations.delete(tenant_id, detector.id, evaluation_id)

        await self._repository.run(gone)

    async def compare(
        self, tenant_id: str, refs: Sequence[str], dataset: str, dataset_version: str | None, metric: Metric
    ) -> Comparison:
        """Of 2 to 20 detectors, by id or name. Raises Invalid, DetectorNotFound, DatasetNotFound, PeerUnavailable."""
        if not MIN_COMPARED <= len(refs) <= MAX_COMPARED:
            message = f"{len(refs)} named; name {MIN_COMPARED} to {MAX_COMPARED} detectors, with commas between"
            raise Invalid.field("query.ids", ",".join(refs), message)
        detectors = await self._detectors(tenant_id, refs)
        found = await self._dataset(dataset, dataset_version)
        sampled: dict[UUID, Sampled] = {}
        if found.target_column is not None:
            rows = Rows(found.id, found.version, found.target_column)
            async with self._repository.transaction() as tx:
                sampled = await tx.evaluations.latest(tenant_id, detectors, rows, metric)
        return compare(found, detectors, sampled, metric)

    async def _dataset(self, ref: str, version: str | None) -> Dataset:
        try:
            return await self._datasets.get(ref, version)
        except DatasetNotFound as error:
            wrong = [
                item.model_copy(update={"field": item.field.replace("body.", "query.", 1)}) for item in error.errors
            ]
            raise DatasetNotFound(error.detail, errors=wrong) from error

    async def _detectors(self, tenant_id: str, refs: Sequence[str]) -> list[Detector]:
        async with self._repository.transaction() as tx:
            found = [await tx.detectors.get(tenant_id, ref, field="query.ids") for ref in refs]
        ids = [detector.id for detector in found]
        twice = [ref for ref, detector in zip(refs, found, strict=True) if ids.count(detector.id) > 1]
        if twice:
            raise Invalid.field("query.ids", twice[-1], f"{twice[-1]!r} is named twice; name each detector once")
        return found
