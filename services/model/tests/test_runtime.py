"""Models in memory: loaded once, bounded by bytes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from model_service.errors import ModelTooLarge
from model_service.records import StoredVersion, WantedVersion
from model_service.runtime import ModelRuntime, ServedModel
from model_service.serving import Serving
from pynomaly_chassis.bucket import StorageUnavailable
from pynomaly_chassis.ids import new_id
from pynomaly_scoring import Scorer, TrustedKeys, open_artefact


class GatedLoader:
    """Loads real models when the gate is open, and counts."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer, self.n_loads = scorer, 0
        self.gate, self.failure = asyncio.Event(), None
        self.began = asyncio.Event()

    async def __call__(self, stored: StoredVersion) -> ServedModel:
        self.n_loads += 1
        self.began.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return ServedModel.of(stored, self.scorer)


@pytest.fixture
def scorer(make_artefact: Callable[..., bytes], keys: Path) -> Scorer:
    return Scorer(open_artefact(make_artefact(), trusted=TrustedKeys.load(keys / "trusted")))


@pytest.fixture
def loader(scorer: Scorer) -> GatedLoader:
    return GatedLoader(scorer)


def stored_version(model_id: UUID | None = None) -> StoredVersion:
    return StoredVersion(
        id=new_id(),
        model_id=model_id or new_id(),
        model_name="m",
        number="1",
        tenant_id="default",
        object_key="key",
        digest="",
        content_digest=None,
        n_bytes=1,
    )


async def test_a_model_is_loaded_once_for_two_hundred_that_wait(loader: GatedLoader) -> None:
    runtime, stored = ModelRuntime(loader, budget_bytes=2**30), stored_version()
    waiting = [asyncio.create_task(runtime.get(stored)) for _ in range(200)]
    await loader.began.wait()
    loader.gate.set()
    models = await asyncio.gather(*waiting)
    assert loader.n_loads == 1
    assert {id(model) for model in models} == {id(runtime.peek(stored.id))}


async def test_a_waiter_that_is_cancelled_leaves_the_load_to_the_others(loader: GatedLoader) -> None:
    runtime, stored = ModelRuntime(loader, budget_bytes=2**30), stored_version()
    first, second = asyncio.create_task(runtime.get(stored)), asyncio.create_task(runtime.get(stored))
    await loader.began.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    loader.gate.set()
    assert (await second).version_id == stored.id
    assert loader.n_loads == 1


async def test_a_load_goes_on_when_every_waiter_is_gone(loader: GatedLoader) -> None:
    runtime, stored = ModelRuntime(loader, budget_bytes=2**30), stored_version()
    only = asyncio.create_task(runtime.get(stored))
    await loader.began.wait()
    only.cancel()
    await asyncio.gather(only, return_exceptions=True)
    loader.gate.set()
    await runtime.get(stored)
    assert loader.n_loads == 1


async def test_a_failure_reaches_every_waiter_and_is_not_remembered(loader: GatedLoader) -> None:
    runtime, stored = ModelRuntime(loader, budget_bytes=2**30), stored_version()
    loader.failure = StorageUnavailable("away")
    loader.gate.set()
    failed = await asyncio.gather(*(runtime.get(stored) for _ in range(5)), return_exceptions=True)
    assert [type(error) for error in failed] == [StorageUnavailable] * 5
    loader.failure = None
    assert (await runtime.get(stored)).number == "1"
    assert loader.n_loads == 2


async def test_the_least_recently_used_leave_when_the_budget_is_spent(loader: GatedLoader) -> None:
    loader.gate.set()
    runtime = ModelRuntime(loader, budget_bytes=3 * loader.scorer.n_bytes)
    versions = [stored_version() for _ in range(4)]
    for stored in versions[:3]:
        await runtime.get(stored)
    runtime.peek(versions[0].id)
    await runtime.get(versions[3])
    kept = [runtime.peek(stored.id) is not None for stored in versions]
    assert kept == [True, False, True, True]
    assert (runtime.n_loaded, runtime.n_bytes) == (3, 3 * loader.scorer.n_bytes)


async def test_a_model_over_the_whole_budget_is_refused_and_evicts_nothing(loader: GatedLoader) -> None:
    loader.gate.set()
    runtime = ModelRuntime(loader, budget_bytes=loader.scorer.n_bytes - 1)
    with pytest.raises(ModelTooLarge, match="MODEL_CACHE_BYTES"):
        await runtime.get(stored_version())
    assert (runtime.n_loaded, runtime.n_bytes) == (0, 0)


async def test_every_version_of_a_model_is_dropped_together(loader: GatedLoader) -> None:
    loader.gate.set()
    runtime = ModelRuntime(loader, budget_bytes=2**30)
    ours, other = new_id(), stored_version()
    for stored in (stored_version(ours), stored_version(ours), other):
        await runtime.get(stored)
    runtime.drop_model(ours)
    assert (runtime.n_loaded, runtime.n_bytes) == (1, loader.scorer.n_bytes)
    assert runtime.peek(other.id) is not None


async def test_a_model_that_is_to_be_kept_stays_and_counts(loader: GatedLoader) -> None:
    loader.gate.set()
    runtime = ModelRuntime(loader, budget_bytes=2 * loader.scorer.n_bytes)
    lasting, second, third = (stored_version() for _ in range(3))
    await runtime.keep(lasting)
    for stored in (second, third):
        await runtime.get(stored)
    kept = [runtime.has(stored.id) for stored in (lasting, second, third)]
    assert kept == [True, False, True]
    assert runtime.n_bytes == 2 * loader.scorer.n_bytes


async def test_a_model_that_does_not_fit_beside_those_to_be_kept_is_refused_and_they_go_on(loader: GatedLoader) -> None:
    loader.gate.set()
    runtime = ModelRuntime(loader, budget_bytes=loader.scorer.n_bytes)
    lasting, other = stored_version(), stored_version()
    await runtime.keep(lasting)
    for ask in (runtime.get, runtime.keep):
        with pytest.raises(ModelTooLarge, match="models that are to stay"):
            await ask(other)
    assert runtime.peek(lasting.id) is not None
    assert runtime.n_bytes == loader.scorer.n_bytes


@pytest.mark.parametrize("end", ["keep_only", "drop_model"])
async def test_a_model_that_is_no_longer_to_be_kept_leaves_like_any_other(loader: GatedLoader, end: str) -> None:
    loader.gate.set()
    runtime = ModelRuntime(loader, budget_bytes=loader.scorer.n_bytes)
    lasting, other = stored_version(), stored_version()
    await runtime.keep(lasting)
    if end == "keep_only":
        runtime.keep_only({})
    else:
        runtime.drop_model(lasting.model_id)
    await runtime.get(other)
    assert (runtime.has(lasting.id), runtime.has(other.id)) == (False, True)


async def test_a_model_that_is_to_be_kept_anew_while_it_is_loaded_anew_counts_once(loader: GatedLoader) -> None:
    runtime, stored = ModelRuntime(loader, budget_bytes=10**9), stored_version()
    pinning = asyncio.create_task(runtime.keep(stored))
    await loader.began.wait()
    loader.gate.set()
    await asyncio.sleep(0)  # a turn of the loop, in which the load ends
    assert runtime.n_loaded == 1
    runtime.drop_model(stored.model_id)  # before who pins has heard of the load
    getting = asyncio.create_task(runtime.get(stored))
    await asyncio.gather(pinning, getting)
    assert (loader.n_loads, runtime.n_loaded, runtime.n_bytes) == (2, 1, loader.scorer.n_bytes)


class Told:
    """A repository that knows only what is to be in memory."""

    def __init__(self, *wanted: StoredVersion) -> None:
        self._wanted = list(wanted)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Told"]:
        yield self

    @property
    def loads(self) -> "Told":
        return self

    async def all(self) -> list[WantedVersion]:
        return [WantedVersion(stored, pinned=False) for stored in self._wanted]


async def test_a_model_that_is_unloaded_while_its_load_is_followed_stays_out(loader: GatedLoader) -> None:
    first, second = stored_version(), stored_version()
    runtime = ModelRuntime(loader, budget_bytes=10**9)
    told: Any = Told(first, second)
    serving = Serving(told, runtime, fresh_s=60, resolve_timeout_s=60)
    following = asyncio.create_task(serving.follow_loads())
    await loader.began.wait()
    for stored in (first, second):
        serving.dropped(stored.model_id)
    loader.gate.set()
    await following
    assert (runtime.n_loaded, loader.n_loads) == (0, 1)
    await serving.follow_loads()
    assert runtime.n_loaded == 2


async def test_a_version_that_is_deleted_while_its_load_is_followed_takes_no_room(loader: GatedLoader) -> None:
    deleted, other = stored_version(), stored_version()
    runtime = ModelRuntime(loader, budget_bytes=loader.scorer.n_bytes)
    told: Any = Told(deleted)
    serving = Serving(told, runtime, fresh_s=60, resolve_timeout_s=60)
    following = asyncio.create_task(serving.follow_loads())
    await loader.began.wait()
    serving.dropped_version(deleted.id)
    loader.gate.set()
    assert await following
    assert (runtime.has(deleted.id), runtime.is_kept(deleted.id)) == (False, False)
    await runtime.get(other)
