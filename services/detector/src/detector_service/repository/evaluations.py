"""Statements on evaluations that are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from pynomaly_chassis.ids import new_id
from pynomaly_contracts.detectors import Detector
from pynomaly_contracts.evaluations import Evaluation, Metric
from pynomaly_contracts.problems import FieldProblem
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from detector_service.errors import EvaluationNotFound
from detector_service.tables import detectors, evaluations

AT_ONCE = 500
"""Evaluations of one transaction: a sweep that dies has done whole ones."""
_TOLD = [column for column in evaluations.c if column.name not in ("tenant_id", "paired")]
_IS_PAIRED = evaluations.c.paired.is_not(None).label("is_paired")


@dataclass(frozen=True)
class Rows:
    """Which labelled rows: a version of a data set, and its column of labels."""

    dataset_id: UUID
    dataset_version: str
    target_column: str


@dataclass(frozen=True)
class Sampled:
    """An evaluation with its figures of one metric in each sample. None, where none were kept.

    digest: whether samples are the same. samples: as pynomaly's paired figures are written.
    """

    evaluation: Evaluation
    digest: str | None
    samples: str | None


class EvaluationRows:
    """Evaluations of one tenant at a time."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, tenant_id: str, values: Mapping[str, Any]) -> None:
        """Keep one: what Evaluation tells but id and moment, and `paired`."""
        told = {**values, "id": new_id(), "tenant_id": tenant_id, "made_at": sa.func.clock_timestamp()}
        await self._connection.execute(sa.insert(evaluations).values(told))

    async def page(
        self,
        tenant_id: str,
        detector_id: UUID,
        *,
        limit: int,
        before: UUID | None,
        dataset_id: UUID | None,
        model_version: str | None,
    ) -> list[Evaluation]:
        """Up to `limit` of a detector, newest first."""
        statement = sa.select(*_TOLD, _IS_PAIRED).where(
            evaluations.c.tenant_id == tenant_id, evaluations.c.detector_id == detector_id
        )
        if before is not None:
            statement = statement.where(evaluations.c.id < before)
        if dataset_id is not None:
            statement = statement.where(evaluations.c.dataset_id == dataset_id)
        if model_version is not None:
            statement = statement.where(evaluations.c.model_version == model_version)
        found = await self._connection.execute(statement.order_by(evaluations.c.id.desc()).limit(limit))
        return [_evaluation(row) for row in found.mappings()]

    async def delete(self, tenant_id: str, detector_id: UUID, evaluation_id: UUID) -> None:
        """One of a detector. Raises EvaluationNotFound."""
        kept = evaluations.c
        is_it = sa.and_(kept.tenant_id == tenant_id, kept.detector_id == detector_id, kept.id == evaluation_id)
        if (await self._connection.execute(sa.delete(evaluations).where(is_it))).rowcount == 0:
            message = "the detector has no evaluation of this id"
            problem = FieldProblem(field="path.evaluation_id", value=str(evaluation_id), message=message)
            raise EvaluationNotFound(f"{message}: {evaluation_id}", errors=[problem])

    async def forget_unreachable(self) -> int:
        """Delete some of all tenants whose detectors were deleted, which nobody can ask for; how many."""
        is_its = sa.and_(detectors.c.id == evaluations.c.detector_id, detectors.c.deleted_at.is_not(None))
        chosen = sa.select(evaluations.c.id).join(detectors, is_its).limit(AT_ONCE)
        return (await self._connection.execute(sa.delete(evaluations).where(evaluations.c.id.in_(chosen)))).rowcount

    async def latest(
        self, tenant_id: str, detectors: Sequence[Detector], rows: Rows, metric: Metric
    ) -> dict[UUID, Sampled]:
        """By detector, the newest of its latest version on these rows; one of a training only where no other is."""
        kept = evaluations.c
        versions = [(each.id, each.model_id, each.latest_version) for each in detectors if each.model_id is not None]
        if not versions:
            return {}
        samples = kept.paired["figures"][metric].astext.label("samples")
        statement = (
            sa.select(*_TOLD, _IS_PAIRED, kept.paired["digest"].astext.label("digest"), samples)
            .ext(distinct_on(kept.detector_id))
            .where(
                kept.tenant_id == tenant_id,
                sa.tuple_(kept.detector_id, kept.model_id, kept.model_version).in_(versions),
            )
            .where(kept.dataset_id == rows.dataset_id, kept.dataset_version == rows.dataset_version)
            .where(kept.target_column == rows.target_column)
            .order_by(kept.detector_id, kept.source, kept.id.desc())  # "evaluation" comes before "training"
        )
        found = await self._connection.execute(statement)
        return {
            row["detector_id"]: Sampled(_evaluation(row), row["digest"], row["samples"]) for row in found.mappings()
        }


def _evaluation(row: sa.RowMapping) -> Evaluation:
    return Evaluation.model_validate(dict(row))
