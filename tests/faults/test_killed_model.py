"""The model service is killed at fifty instants of its writes: what it acknowledged is there, and nothing half."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from killing.sweep import Sweep, files_in, wire_to
from model_service.repository import ModelRepository
from model_service.settings import Settings
from model_service.sweep import Sweep as Collector
from prometheus_client import CollectorRegistry
from pynomaly import Client
from pynomaly_chassis.bucket import STORAGE_CALLS, Bucket
from pynomaly_chassis.database import DATABASE_CALLS, Database
from pynomaly_chassis.resilience import open_resilience
from pynomaly_chassis.storage import open_store

if TYPE_CHECKING:
    from killing.wire import Wire
    from pynomaly_suite import Suite

    from tests.faults.conftest import Killed

DATA = Path(__file__).parents[2] / "examples" / "data"
PATH = "/api/v1/models"
KINDS = {"register": 0.5, "alias": 0.05, "default": 0.05, "unalias": 0.05, "delete": 0.05}
ZIPPED = {"content-type": "application/zip"}


@dataclass
class Kept:
    """What a client was told of one model."""

    digests: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    deleted: bool = False


class Clients:
    """Their models by name, as they were acknowledged."""

    def __init__(self, artefact: bytes) -> None:
        self._artefact = artefact
        self.kept: dict[str, Kept] = {}

    async def live(self, wire: Wire, number: int) -> None:
        """The life of one model: two versions, aliases that move, the default, its end."""
        name, kept = f"model-{number}", Kept()
        for version in ("1", "2"):
            await self._register(wire, name, version, kept)
            self.kept[name] = kept
            await self._point(wire, name, "champion", version, kept)
        await self._point(wire, name, "first", "1", kept)
        if number % 6 == 0:  # none of those that end: the default is not deleted
            answer = await wire.send("default", "PUT", f"{PATH}/default", json={"model_id": name})
            assert answer.status == 200, answer
        if number % 3 == 2:
            await self._end(wire, name, kept)

    async def _register(self, wire: Wire, name: str, version: str, kept: Kept) -> None:
        answer = await wire.send(
            "register",
            "POST",
            f"{PATH}/{name}/versions",
            key=f"{name}-{version}",
            headers=ZIPPED,
            data=self._artefact,
        )
        assert (answer.status, answer.json()["version"]) == (201, version), answer
        kept.digests.append(answer.json()["digest"])

    async def _point(self, wire: Wire, name: str, alias: str, version: str, kept: Kept) -> None:
        answer = await wire.send("alias", "PUT", f"{PATH}/{name}/aliases/{alias}", json={"version": version})
        assert answer.status == 200, answer
        kept.aliases[alias] = version

    async def _end(self, wire: Wire, name: str, kept: Kept) -> None:
        paths = {alias: f"{PATH}/{name}/aliases/{alias}" for alias in list(kept.aliases)}
        for alias, path in paths.items():
            _check_gone(await wire.send("unalias", "DELETE", path))
            del kept.aliases[alias]
        _check_gone(await wire.send("delete", "DELETE", f"{PATH}/{name}"))
        kept.deleted = True


def _check_gone(answer: Any) -> None:
    """A deletion whose first answer was lost finds nothing any more."""
    assert answer.status == 204 or (answer.status == 404 and answer.n_sent > 1), answer


@pytest.fixture(scope="module")
def artefact(durable_suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Of a model that the suite has trained and signed."""
    with Client(durable_suite.url) as client:
        vowels = client.datasets.upload(DATA / "vowels.csv", name="vowels", target_column="is_anomaly")
        detector = client.detectors.create(name="source", algorithm="HBOS")
        client.detectors.train(detector.id, vowels.id).wait(progress=False)
        return client.models.artefact("source", "1", tmp_path_factory.mktemp("artefact") / "source.zip").read_bytes()


@pytest.mark.timeout(600)
async def test_every_acknowledged_model_outlives_fifty_kills(killed: Killed, artefact: bytes) -> None:
    clients = Clients(artefact)
    sweep = killed("model", KINDS)
    async with wire_to(sweep.suite.ports.url("model")) as wire:
        assert await sweep.run(wire, clients.live) == len(clients.kept)
        await _check_all(wire, clients.kept)
        await _check_names(wire, clients.kept)
        await _check_bytes(sweep)
        await _check_all(wire, clients.kept)
        await _check_scores(wire, clients.kept)


async def _check_all(wire: Wire, everything: dict[str, Kept]) -> None:
    await asyncio.gather(*(_check(wire, name, kept) for name, kept in everything.items()))


async def _check(wire: Wire, name: str, kept: Kept) -> None:
    found = await wire.send("get", "GET", f"{PATH}/{name}")
    assert found.status == (404 if kept.deleted else 200), (name, found)
    if kept.deleted:
        return
    assert found.json()["aliases"] == kept.aliases
    versions = (await wire.send("get", "GET", f"{PATH}/{name}/versions")).json()["items"]
    assert [(each["version"], each["digest"]) for each in versions] == [
        ("2", kept.digests[1]),
        ("1", kept.digests[0]),
    ]
    for version, digest in zip(("1", "2"), kept.digests, strict=True):
        answer = await wire.send("get", "GET", f"{PATH}/{name}/versions/{version}/artefact")
        assert hashlib.sha256(answer.body).hexdigest() == digest


async def _check_names(wire: Wire, everything: dict[str, Kept]) -> None:
    """No registration was done twice, and none that nobody was told of is left."""
    names = [model["name"] for model in await wire.every(PATH)]
    assert sorted(names) == sorted(["source", *(name for name, kept in everything.items() if not kept.deleted)])


async def _check_scores(wire: Wire, everything: dict[str, Kept]) -> None:
    """The bytes are of use, too."""
    name = next(name for name, kept in everything.items() if not kept.deleted)
    features = (await wire.send("get", "GET", f"{PATH}/{name}/versions/2")).json()["feature_names"]
    row = dict.fromkeys(features, 0.5)
    answer = await wire.send("predict", "POST", "/api/v1/predict", json={"data": row, "model_id": name})
    assert answer.status == 200, answer


async def _check_bytes(sweep: Sweep) -> None:
    """A day later the store has the bytes of all versions, and nothing else."""
    environment = sweep.environment
    storage = Path(environment["STORAGE_PATH"])
    names = {"database_url": "DATABASE_URL", "trusted_keys_path": "TRUSTED_KEYS_PATH"}
    settings = Settings.model_validate(
        {name: environment[told] for name, told in names.items()} | {"storage_path": storage}
    )
    resilience = open_resilience(CollectorRegistry(), DATABASE_CALLS | STORAGE_CALLS)
    database, bucket = Database.open(settings, resilience), Bucket(open_store(settings), resilience)
    await Collector(ModelRepository(database), bucket, kept=timedelta()).run()
    await database.close()
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    known = [row["object_key"] for row in await connection.fetch("SELECT object_key FROM model_versions")]
    await connection.close()
    assert files_in(storage) == sorted(known)
