"""The gateway is killed at fifty instants of others' writes: what it handed on is done once, whoever asks again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from killing.sweep import wire_to

if TYPE_CHECKING:
    from killing.wire import Wire

    from tests.faults.conftest import Killed

DATASETS, DETECTORS = "/api/v1/datasets", "/api/v1/detectors"
KINDS = {"upload": 0.1, "version": 0.1, "create": 0.05, "update": 0.05}
ROWS = "a,b\n" + "".join(f"{number},{number * number}\n" for number in range(20_000))


class Clients:
    """Names of the data sets and detectors that were acknowledged."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    async def live(self, wire: Wire, number: int) -> None:
        """A data set with a second version, and a detector."""
        name = f"through-{number}"
        form = {"name": name, "file": ROWS.encode()}
        await self._made(wire, "upload", f"{DATASETS}/upload", name, form=form)
        content, headers = f"a,b\n{number},1\n".encode(), {"content-type": "text/csv"}
        await self._made(wire, "version", f"{DATASETS}/{name}/versions", name, data=content, headers=headers)
        await self._made(wire, "create", DETECTORS, name, json={"name": name, "algorithm": "HBOS"})
        answer = await wire.send("update", "PATCH", f"{DETECTORS}/{name}", json={"seed": number})
        assert answer.status == 200, answer
        self.names.add(name)

    async def _made(self, wire: Wire, kind: str, path: str, key: str, **body: Any) -> None:
        answer = await wire.send(kind, "POST", path, key=key, **body)
        assert answer.status == 201, answer


@pytest.mark.timeout(600)
async def test_every_write_through_the_door_is_done_once_across_fifty_kills(killed: Killed) -> None:
    clients = Clients()
    sweep = killed("gateway", KINDS)
    async with wire_to(sweep.suite.url) as wire:
        assert await sweep.run(wire, clients.live) == len(clients.names)
        for path in (DATASETS, DETECTORS):
            assert sorted(each["name"] for each in await wire.every(path)) == sorted(clients.names)
        await asyncio.gather(*(_check(wire, name) for name in clients.names))


async def _check(wire: Wire, name: str) -> None:
    versions = (await wire.send("get", "GET", f"{DATASETS}/{name}/versions")).json()["items"]
    assert [(each["version"], each["n_rows"]) for each in versions] == [("2", 20_001), ("1", 20_000)]
    detector = (await wire.send("get", "GET", f"{DETECTORS}/{name}")).json()
    assert f"through-{detector['seed']}" == name
