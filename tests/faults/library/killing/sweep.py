"""The killer, and the clients that it kills a service under."""

import asyncio
import itertools
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from pynomaly_suite import Suite

from killing.wire import Wire

N_CLIENTS = 24
REACH_S = 5.0

Life = Callable[[Wire, int], Awaitable[None]]


@dataclass(frozen=True)
class Moment:
    """An instant: `after_s` seconds after the start of a call of this kind."""

    kind: str
    after_s: float


@dataclass
class Sweep:
    """kill -9 of one process, again and again.

    kinds: of the calls that are killed under, each with about how long it takes, in seconds.
    """

    suite: Suite
    process: str
    kinds: dict[str, float]
    n_kills: int
    seed: int
    moments: list[Moment] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What the process is told."""
        return dict(self.suite._child(self.process).command.env)

    async def run(self, wire: Wire, life: Life, *, n_clients: int = N_CLIENTS, cuts: bool = True) -> int:
        """Lives are led one after the other by all clients while it kills; how many lives were led to their end.

        cuts: whether a kill cuts the calls of the wire.
        """
        numbers, killed = itertools.count(), asyncio.Event()

        async def client() -> None:
            while not killed.is_set():
                await life(wire, next(numbers))

        async with asyncio.TaskGroup() as group:
            for _ in range(n_clients):
                group.create_task(client())
            await self._kill(wire, cuts=cuts)
            killed.set()
        n_lives = next(numbers)
        print(f"{self.process}: {n_lives} lives, {wire.n_cut} calls cut, answers {dict(wire.statuses)}")
        assert not cuts or wire.n_cut >= self.n_kills / 2, "most of the kills met nothing"
        return n_lives

    async def _kill(self, wire: Wire, *, cuts: bool) -> None:
        drawn = random.Random(self.seed)
        for number in range(self.n_kills):
            kind = list(self.kinds)[number % len(self.kinds)]
            moment = Moment(kind, drawn.uniform(0, 1.5 * self.kinds[kind]))
            self.moments.append(moment)
            await wire.begun(kind, REACH_S)
            await asyncio.sleep(moment.after_s)
            if cuts:
                wire.alive.clear()
            os.kill(self.suite.pid_of(self.process), signal.SIGKILL)
            await asyncio.to_thread(self.suite.restart, self.process)
            wire.alive.set()


@asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[Wire]:
    """A wire for the block."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60)) as http:
        yield Wire(http, url)


def files_in(folder: Path) -> list[str]:
    """Every file below the folder, by its path from there."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def seed_of_today() -> int:
    """FAULT_SEED, to kill at the same instants again; else a new one."""
    return int(os.environ.get("FAULT_SEED") or time.time())
