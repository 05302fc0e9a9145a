"""An old answer stands in for one that cannot be had, and says so."""

from __future__ import annotations

import pytest
from pynomaly_resilience import PolicyError
from pynomaly_resilience.stale import Served, StaleCache
from pynomaly_resilience.testing import FakeClock


@pytest.fixture
def cache(clock: FakeClock) -> StaleCache[str, int]:
    return StaleCache(max_age_s=60.0, max_entries=2, clock=clock)


def down() -> int:
    raise ConnectionResetError("down")


async def adown() -> int:
    return down()


async def test_an_old_answer_is_served_while_the_dependency_is_down_and_is_marked(
    cache: StaleCache[str, int], clock: FakeClock
) -> None:
    async def fetch() -> int:
        return 7

    fresh = await cache.aserve("a", fetch)
    assert fresh == Served(7)
    assert (fresh.headers("items"), fresh.fields()) == (
        {"Cache-Status": "items; fwd=miss"},
        {"stale": False, "age_s": 0},
    )
    clock.advance(12.5)
    stale = await cache.aserve("a", adown)
    assert (stale.value, stale.is_stale, stale.age_s) == (7, True, 12.5)
    assert stale.fields() == {"stale": True, "age_s": 12}
    assert stale.headers("items") == {
        "Age": "12",
        "Cache-Status": 'items; hit; ttl=-12; detail="stale-if-error ConnectionResetError"',
    }


def test_nothing_is_invented_and_nothing_too_old_is_served(cache: StaleCache[str, int], clock: FakeClock) -> None:
    with pytest.raises(ConnectionResetError):
        cache.serve("a", down)
    cache.serve("a", lambda: 7)
    clock.advance(60.1)
    with pytest.raises(ConnectionResetError):
        cache.serve("a", down)


def test_a_refusal_is_an_answer_and_comes_through(cache: StaleCache[str, int]) -> None:
    def refuse() -> int:
        raise ValueError("no such item")

    cache.serve("a", lambda: 7)
    with pytest.raises(ValueError, match="no such item"):
        cache.serve("a", refuse)


def test_it_remembers_a_bounded_number_of_answers(cache: StaleCache[str, int]) -> None:
    for key in ("a", "b", "c"):
        cache.serve(key, lambda: 7)
    assert cache.serve("c", down).is_stale
    with pytest.raises(ConnectionResetError):
        cache.serve("a", down)


@pytest.mark.parametrize(("age_s", "entries", "field"), [(0.0, 1, "max_age_s"), (1.0, 0, "max_entries")])
def test_a_cache_that_makes_no_sense_is_refused(age_s: float, entries: int, field: str) -> None:
    with pytest.raises(PolicyError, match=field):
        StaleCache(max_age_s=age_s, max_entries=entries)
