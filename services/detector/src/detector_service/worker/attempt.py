"""How a try ends here: what a child refuses fails the job, and a training marks its detector."""

from pydantic import BaseModel
from pynomaly_chassis.jobs import Attempt, Settlement
from pynomaly_contracts.jobs import TrainResult

from detector_service.repository import Transaction
from detector_service.worker.keeping import keep_evaluation
from detector_service.worker.sandbox import ChildCrashed, ChildRefused


class DetectorAttempt(Attempt[Transaction]):
    """A try at a detector's job."""

    async def succeed(self, tx: Transaction, result: BaseModel) -> bool:
        """Store the result; False where the job is another's by now."""
        held, lease = await super().succeed(tx, result), self.lease
        detector_id = lease.own["detector_id"]
        if held and isinstance(result, TrainResult) and detector_id is not None:
            await tx.detectors.mark_trained(lease.tenant_id, detector_id, result.model_id, result.model_version)
        if held:
            await keep_evaluation(tx, lease, result)
        return held

    def judge(self, error: Exception) -> tuple[str, Settlement[Transaction]]:
        """What follows from an error: the end in a word, and how it is written down."""
        if isinstance(error, ChildRefused):
            return self.fail(error.problem.model_dump(mode="json"))
        if isinstance(error, ChildCrashed):
            return self.crash(str(error))
        return super().judge(error)
