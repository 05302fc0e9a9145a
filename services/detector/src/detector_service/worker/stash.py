"""What the tries of a job leave to those that may follow.

Artefacts between their making and their registration: a signature is random, so a second try would make other bytes
and register a second version. The first artefact of a job is therefore kept before it is registered, and every later
try of the job registers that one. And scores of a batch, a part at a time, so that no later try computes them again.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import obstore
import orjson
from obstore.exceptions import AlreadyExistsError
from pynomaly_chassis.bucket import Bucket, StorageUnavailable
from pynomaly_chassis.ids import utc_now
from pynomaly_chassis.storage import remove_unfinished

from detector_service.repository import Lease, Repository

KEPT = timedelta(hours=24)
_KEY = re.compile(r"[^/]+/(?:trained/|scored/(?=[^/]+/))([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:/\d{6}-\d+)?")


@dataclass(frozen=True)
class Trained:
    """A signed archive, and what the child told of its making."""

    archive: bytes
    facts: dict[str, Any]


class Stash:
    """One object per training job: a line of JSON, then the archive. One per part of a batch, as the child wrote it."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def find(self, lease: Lease) -> Trained | None:
        """What an earlier try of this job made."""
        try:
            content = await self._bucket.get(_key(lease))
        except FileNotFoundError:
            return None
        facts, _, archive = content.partition(b"\n")
        return Trained(archive, orjson.loads(facts))

    async def keep(self, lease: Lease, trained: Trained) -> Trained:
        """Keep this, unless another try was first: then that one counts."""
        try:
            await self._bucket.put_new(_key(lease), orjson.dumps(trained.facts) + b"\n" + trained.archive)
        except AlreadyExistsError:
            return await self.find(lease) or trained
        return trained

    async def find_part(self, lease: Lease, name: str) -> bytes | None:
        """A part of the batch, by its name, that an earlier try scored."""
        try:
            return await self._bucket.get(_part_key(lease, name))
        except FileNotFoundError:
            return None

    async def keep_part(self, lease: Lease, name: str, content: bytes) -> None:
        """Keep this part, unless another try was first: theirs are the same scores."""
        with suppress(AlreadyExistsError):
            await self._bucket.put_new(_part_key(lease, name), content)

    async def drop_parts(self, lease: Lease, names: Iterable[str]) -> None:
        """The batch is where it belongs: its parts are not needed any more. The sweep takes what is left."""
        with suppress(StorageUnavailable):
            for name in names:
                await self._bucket.delete(_part_key(lease, name))

    async def sweep(self, repository: Repository) -> None:
        """Delete what is over 24 h old and belongs to no job that may still need it.

        Other services may keep their objects in the same bucket: what is not a stash's is left alone.
        """
        before = utc_now() - KEPT
        for kind in ("trained", "scored/*"):
            await remove_unfinished(self._bucket.store, kind, before)
        async for listed in obstore.list(self._bucket.store):
            aged = [item["path"] for item in listed if item["last_modified"] < before]
            old = [(job_id, path) for path in aged if (job_id := _job_of(path)) is not None]
            if not old:
                continue
            async with repository.transaction() as tx:
                needed = await tx.queue.unfinished({job_id for job_id, _ in old})
            for job_id, path in old:
                if job_id not in needed:
                    await self._bucket.delete(path)


def _key(lease: Lease) -> str:
    return f"{lease.tenant_id}/trained/{lease.job_id}"


def _part_key(lease: Lease, name: str) -> str:
    return f"{lease.tenant_id}/scored/{lease.job_id}/{name}"


def _job_of(path: str) -> UUID | None:
    """The job of a key that `_key` made; None for any other."""
    match = _KEY.fullmatch(path)
    return UUID(match[1]) if match else None
