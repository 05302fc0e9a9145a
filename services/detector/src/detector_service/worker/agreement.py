"""How far a new version and the one before judge the same rows alike."""

from pathlib import Path
from typing import Any

import structlog
from pynomaly_chassis.problems import ProblemError

from detector_service.clients import ModelClient
from detector_service.specs import Before
from detector_service.worker.sandbox import ARTEFACT_BEFORE, ChildCrashed, ChildRefused, Report, Sandbox

log = structlog.get_logger()


class Agreement:
    """Has a child score the rows of a training with both versions."""

    def __init__(self, models: ModelClient, sandbox: Sandbox, trusted_keys: Path) -> None:
        self._models, self._sandbox, self._trusted_keys = models, sandbox, trusted_keys

    async def with_before(self, before: Before, n_rows: int, folder: Path, report: Report) -> dict[str, Any]:
        """The fields of VersionBefore that tell of it; or why not: no training fails for a comparison.

        folder: with the rows and the new artefact.
        """
        report("comparing with the version before", 0.9)
        try:
            await self._models.download_artefact(before.model_id, before.model_version, folder / ARTEFACT_BEFORE)
            request = {"trusted_keys": str(self._trusted_keys), "n_rows": n_rows}
            return await self._sandbox.run("agree", folder, request, lambda *_: None)
        except (ChildRefused, ChildCrashed, ProblemError) as error:
            log.info("agreement.absent", reason=str(error))
            return {"agreement_absent": f"version {before.model_version} could not score these rows: {error}"}
