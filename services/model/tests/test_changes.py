"""A replica hears what the others did, whatever happens to it meanwhile."""

import asyncio
from uuid import UUID

from model_service.changes import ChangeListener


class FailingOnce:
    """What listens to changes, and breaks over the first."""

    def __init__(self) -> None:
        self.n_followed, self.recovered = 0, asyncio.Event()

    async def follow_loads(self) -> bool:
        self.n_followed += 1
        if self.n_followed == 1:
            raise RuntimeError("a defect")
        self.recovered.set()
        return True

    def changed_unseen(self) -> None:
        """Nothing is known."""

    def changed(self, tenant_id: str, model_id: UUID) -> None:
        """Nothing is known."""

    def dropped(self, model_id: UUID) -> None:
        """Nothing is loaded."""

    def dropped_version(self, version_id: UUID) -> None:
        """Nothing is loaded."""


async def test_a_defect_while_following_does_not_leave_a_replica_deaf(urls) -> None:
    serving = FailingOnce()
    listener = ChangeListener(urls.app_url, serving, application_name="test")
    async with listener.listening(), asyncio.timeout(10):
        await serving.recovered.wait()
