"""The dataset service is killed at fifty instants of its writes: what it acknowledged is there, and nothing half."""

from __future__ import annotations

import asyncio
import hashlib
import random
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from dataset_service.collector import Collector
from dataset_service.objects import ObjectFiles
from dataset_service.repository import DatasetRepository
from dataset_service.settings import Settings
from dataset_service.spool import Spool
from killing.sweep import Sweep, files_in, wire_to
from prometheus_client import CollectorRegistry
from pynomaly_chassis.bucket import STORAGE_CALLS, Bucket
from pynomaly_chassis.database import DATABASE_CALLS, Database
from pynomaly_chassis.ids import utc_now
from pynomaly_chassis.resilience import open_resilience
from pynomaly_chassis.storage import open_store

if TYPE_CHECKING:
    from killing.wire import Wire

    from tests.faults.conftest import Killed

PATH = "/api/v1/datasets"
KINDS = {"upload": 0.3, "version": 0.3, "split": 0.2, "update": 0.05, "delete": 0.05}
KEYS = "SELECT object_key FROM datasets UNION ALL SELECT object_key FROM earlier_versions"


@dataclass
class Kept:
    """What a client was told of one data set."""

    sha256: list[str] = field(default_factory=list)
    rows: list[bytes] = field(default_factory=list)
    description: str | None = None
    parts: list[str] = field(default_factory=list)
    deleted: bool = False


class Clients:
    """Their data sets by name, as they were acknowledged."""

    def __init__(self) -> None:
        self.kept: dict[str, Kept] = {}

    async def live(self, wire: Wire, number: int) -> None:
        """The life of one data set: upload, another version, a description, parts, its end."""
        drawn = random.Random(number)
        name, kept = f"set-{number}", Kept()
        path = f"{PATH}/{name}"
        await self._upload(wire, name, kept, _csv(drawn))
        self.kept[name] = kept
        await self._version(wire, path, f"version-{number}", kept, _csv(drawn))
        kept.description = f"of {number}"
        answer = await wire.send("update", "PATCH", path, json={"description": kept.description})
        assert answer.status == 200, answer
        if number % 3 == 1:
            await self._split(wire, path, f"split-{number}", name, kept)
        if number % 3 == 2:
            answer = await wire.send("delete", "DELETE", path)
            assert answer.status == (204 if answer.n_sent == 1 else answer.status), answer
            assert answer.status in {204, 404}, answer
            kept.deleted = True

    async def _upload(self, wire: Wire, name: str, kept: Kept, content: bytes) -> None:
        form = {"name": name, "file": content}
        answer = await wire.send("upload", "POST", f"{PATH}/upload", key=name, form=form)
        assert answer.status == 201, answer
        _note(kept, content, answer.json()["sha256"])

    async def _version(self, wire: Wire, path: str, key: str, kept: Kept, content: bytes) -> None:
        headers = {"content-type": "text/csv"}
        answer = await wire.send(
            "version", "POST", f"{path}/versions?mode=replace", key=key, headers=headers, data=content
        )
        assert (answer.status, answer.json()["version"]) == (201, "2"), answer
        _note(kept, content, answer.json()["sha256"])

    async def _split(self, wire: Wire, path: str, key: str, name: str, kept: Kept) -> None:
        fractions = {"a": 0.5, "b": 0.5}
        answer = await wire.send("split", "POST", f"{path}/split", key=key, json={"fractions": fractions})
        assert answer.status == 201, answer
        kept.parts = [f"{name}-a", f"{name}-b"]


def _note(kept: Kept, content: bytes, sha256: str) -> None:
    assert sha256 == hashlib.sha256(content).hexdigest()
    kept.sha256.append(sha256)
    kept.rows.append(content)


def _csv(drawn: random.Random) -> bytes:
    n_rows = drawn.choice((50, 5_000, 40_000))
    rows = (f"{drawn.randrange(10**6)},{drawn.randrange(10**6)},{drawn.randrange(10**6)}" for _ in range(n_rows))
    return ("a,b,c\n" + "\n".join(rows) + "\n").encode()


@pytest.mark.timeout(600)
async def test_every_acknowledged_data_set_outlives_fifty_kills(killed: Killed) -> None:
    clients = Clients()
    sweep = killed("dataset", KINDS)
    async with wire_to(sweep.suite.ports.url("dataset")) as wire:
        n_lives = await sweep.run(wire, clients.live)
        assert len(clients.kept) == n_lives
        await _check_all(wire, clients.kept)
        await _check_names(wire, clients.kept)
        await _check_bytes(sweep)
        await _check_all(wire, clients.kept)


async def _check_all(wire: Wire, everything: dict[str, Kept]) -> None:
    await asyncio.gather(*(_check(wire, name, kept) for name, kept in everything.items()))


async def _check(wire: Wire, name: str, kept: Kept) -> None:
    found = await wire.send("get", "GET", f"{PATH}/{name}")
    assert found.status == (404 if kept.deleted else 200), (name, found)
    if kept.deleted:
        return
    assert found.json()["description"] == kept.description
    versions = (await wire.send("get", "GET", f"{PATH}/{name}/versions")).json()["items"]
    assert [each["sha256"] for each in versions] == kept.sha256[::-1]
    for number, content in enumerate(kept.rows, start=1):
        assert await _rows(wire, f"{name}/rows?version={number}") == content
    parts = [await _rows(wire, f"{part}/rows") for part in kept.parts]
    if parts:
        lines = [line for part in parts for line in part.splitlines()[1:]]
        assert sorted(lines) == sorted(kept.rows[-1].splitlines()[1:])


async def _rows(wire: Wire, path: str) -> bytes:
    answer = await wire.send("get", "GET", f"{PATH}/{path}", headers={"accept": "text/csv"})
    assert answer.status == 200, answer
    return answer.body.replace(b"\r\n", b"\n")


async def _check_names(wire: Wire, everything: dict[str, Kept]) -> None:
    """No write was done twice, and none that nobody was told of is left."""
    wanted = [name for kept_name, kept in everything.items() if not kept.deleted for name in (kept_name, *kept.parts)]
    assert sorted(each["name"] for each in await wire.every(PATH)) == sorted(wanted)


async def _check_bytes(sweep: Sweep) -> None:
    """A day later the store has the bytes of all rows, and nothing else."""
    environment = sweep.environment
    storage = Path(environment["STORAGE_PATH"])
    settings = Settings.model_validate(
        {"database_url": environment["DATABASE_URL"], "storage_path": storage, "service_name": "collector"}
    )
    await _collect(settings)
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    known = [row["object_key"] for row in await connection.fetch(KEYS)]
    await connection.close()
    assert files_in(storage) == sorted(known)


async def _collect(settings: Settings) -> None:
    resilience = open_resilience(CollectorRegistry(), DATABASE_CALLS | STORAGE_CALLS)
    database, bucket = Database.open(settings, resilience), Bucket(open_store(settings), resilience)
    objects = ObjectFiles(bucket, Spool(settings.spool_folder), local_folder=settings.local_folder)
    collector = Collector(DatasetRepository(database), objects)
    for _ in range(3):
        await collector.sweep(utc_now() + timedelta(hours=25))
    await database.close()
