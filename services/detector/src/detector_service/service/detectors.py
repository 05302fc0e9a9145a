"""Use cases of detectors: defined, found, changed, forgotten."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Response
from pynomaly_chassis.idempotency import Claim, CreatedAnswer, IdempotencyKeys, fingerprint
from pynomaly_chassis.paging import PageRequest
from pynomaly_chassis.problems import Invalid
from pynomaly_contracts.base import Page
from pynomaly_contracts.detectors import CloneRequest, Detector, DetectorCreate, DetectorUpdate

from detector_service import algorithms
from detector_service.repository import Repository, Transaction
from detector_service.service.cloning import cloned

DETECTORS = "/api/v1/detectors"


class DetectorService:
    """Detectors: an algorithm with parameters, kept until it is trained."""

    def __init__(self, repository: Repository, keys: IdempotencyKeys) -> None:
        self._repository, self._keys = repository, keys

    async def create(self, tenant_id: str, wanted: DetectorCreate, idempotency_key: str | None) -> Response:
        """201 with the detector. Raises Invalid, NameTaken."""
        _check_definition(wanted.algorithm, wanted.parameters, wanted.feature_columns)

        async def add(tx: Transaction, claim: Claim) -> CreatedAnswer:
            detector = await tx.detectors.add(tenant_id, wanted)
            answer = CreatedAnswer(detector, location=f"{DETECTORS}/{detector.id}")
            await claim.finish(tx.connection, answer)
            return answer

        async def work(claim: Claim) -> CreatedAnswer:
            return await self._repository.run(lambda tx: add(tx, claim))

        route = f"POST {DETECTORS}"
        content = fingerprint(wanted)
        return await self._keys.once(idempotency_key, tenant_id=tenant_id, route=route, content=content, work=work)

    async def clone(self, tenant_id: str, ref: str, wanted: CloneRequest, idempotency_key: str | None) -> Response:
        """201 with a detector that is set up as another one. Raises DetectorNotFound, Invalid, NameTaken."""

        async def add(tx: Transaction, claim: Claim) -> CreatedAnswer:
            source = await tx.detectors.get(tenant_id, ref)
            _check_definition(wanted.changes.algorithm or source.algorithm, {}, [], where="body.changes")
            made = cloned(source, wanted)
            _check_definition(made.algorithm, made.parameters, made.feature_columns, where="body.changes")
            detector = await tx.detectors.add(tenant_id, made, cloned_from=source.id)
            answer = CreatedAnswer(detector, location=f"{DETECTORS}/{detector.id}")
            await claim.finish(tx.connection, answer)
            return answer

        async def work(claim: Claim) -> CreatedAnswer:
            return await self._repository.run(lambda tx: add(tx, claim))

        route, content = f"POST {DETECTORS}/{{detector}}/clone", fingerprint(wanted, ref)
        return await self._keys.once(idempotency_key, tenant_id=tenant_id, route=route, content=content, work=work)

    async def get(self, tenant_id: str, ref: str) -> Detector:
        """By id or name. Raises DetectorNotFound."""
        async with self._repository.transaction() as tx:
            return await tx.detectors.get(tenant_id, ref)

    async def page(self, tenant_id: str, wanted: PageRequest) -> Page[Detector]:
        """Newest first."""
        async with self._repository.transaction() as tx:
            found = await tx.detectors.page(tenant_id, limit=wanted.limit + 1, before=wanted.before)
        items, cursor = wanted.cut(found)
        return Page(items=items, next_cursor=cursor)

    async def update(self, tenant_id: str, ref: str, wanted: DetectorUpdate) -> Detector:
        """Change what is sent; null leaves all but the description as it is. Raises DetectorNotFound, Invalid."""
        sent = wanted.model_dump(exclude_unset=True)
        changes = {name: value for name, value in sent.items() if value is not None or name == "description"}
        if wanted.preprocessing is not None:
            changes["preprocessing"] = wanted.preprocessing.model_dump()
        if wanted.threshold is not None:
            changes["threshold"] = wanted.threshold.model_dump()

        async def change(tx: Transaction) -> Detector:
            detector = await tx.detectors.get(tenant_id, ref)
            _check_definition(detector.algorithm, changes.get("parameters", {}), changes.get("feature_columns", []))
            return await tx.detectors.update(tenant_id, detector.id, changes) if changes else detector

        return await self._repository.run(change)

    async def delete(self, tenant_id: str, ref: str) -> None:
        """Refuse new work from now on; jobs that run go on, and the model stays. Raises DetectorNotFound."""
        await self._repository.run(lambda tx: tx.detectors.delete(tenant_id, ref))


def _check_definition(
    algorithm: str, parameters: Mapping[str, Any], feature_columns: Sequence[str], *, where: str = "body"
) -> None:
    try:
        algorithms.validate_parameters(algorithms.get_algorithm(algorithm), parameters)
    except algorithms.UnknownAlgorithm as error:
        raise Invalid.field(f"{where}.algorithm", algorithm, str(error)) from error
    except algorithms.InvalidParameter as error:
        raise Invalid.field(f"{where}.{error.field}", error.value, error.message) from error
    twice = sorted(name for name, times in Counter(feature_columns).items() if times > 1)
    if twice:
        raise Invalid.field(f"{where}.feature_columns", twice[0], f"{twice[0]!r} is named twice; name each column once")
