"""What becomes of a detector's row."""

from detector_service.repository import Repository, Transaction
from pynomaly_chassis.ids import new_id
from pynomaly_contracts.detectors import DetectorCreate


async def test_of_two_trainings_the_later_version_stays_whichever_ends_last(repository: Repository) -> None:
    async def mark(tx: Transaction, version: str) -> str | None:
        await tx.detectors.mark_trained("default", detector.id, model_id, version)
        return (await tx.detectors.get("default", "forest")).latest_version

    model_id = new_id()
    async with repository.transaction() as tx:
        detector = await tx.detectors.add("default", DetectorCreate(name="forest", algorithm="IForest"))
        assert [await mark(tx, version) for version in ("10", "9", "11")] == ["10", "10", "11"]
