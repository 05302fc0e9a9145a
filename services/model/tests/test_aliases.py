"""Aliases are moved one at a time, and every move is on record."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from model_service.tables import ALIASES
from pynomaly_chassis.database import Database


@pytest.fixture
async def database(make_settings) -> AsyncIterator[Database]:
    opened = Database.open(make_settings())
    yield opened
    await opened.close()


@pytest.fixture
def path(name) -> str:
    return f"/api/v1/models/{name}/aliases"


async def history_of(client, path: str, alias: str = "champion", limit: int = 200) -> list[dict[str, Any]]:
    """Every move, newest first, page by page."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get(f"{path}/{alias}/history", params={"limit": limit, **cursor})).json()
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def assert_chain(moves: list[dict[str, Any]], now: str | None) -> None:
    """Each move begins where the one before it ended; the first begins at nothing."""
    assert moves[0]["to_version"] == now
    assert moves[-1]["from_version"] is None
    assert [move["from_version"] for move in moves[:-1]] == [move["to_version"] for move in moves[1:]]
    assert [move["at"] for move in moves] == sorted((move["at"] for move in moves), reverse=True)
    assert all(move["from_version"] != move["to_version"] for move in moves)


async def test_every_move_is_on_record_with_who_when_and_why(client, register, path) -> None:
    await register(1.0)
    await register(2.0)
    await client.put(f"{path}/champion", json={"version": "1", "reason": "first"})
    await client.put(f"{path}/champion", json={"version": "latest"})
    (alias,) = (await client.get(path)).json()["items"]
    assert (alias["alias"], alias["version"], alias["by"], alias["reason"]) == ("champion", "2", "default", None)
    await client.delete(f"{path}/champion")
    assert (await client.get(path)).json()["items"] == []
    moves = await history_of(client, path)
    assert [(move["from_version"], move["to_version"], move["reason"]) for move in moves] == [
        ("2", None, None),
        ("1", "2", None),
        (None, "1", "first"),
    ]
    assert {move["by"] for move in moves} == {"default"}
    assert await history_of(client, path, limit=1) == moves
    assert_chain(moves, None)


async def test_an_alias_that_never_was_has_no_history(client, register, path) -> None:
    await register()
    answer = await client.get(f"{path}/nobody/history")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "alias")


async def test_an_alias_is_moved_only_from_where_it_is_expected(client, register, path) -> None:
    first, _, _ = [await register(slope) for slope in (1.0, 2.0, 3.0)]
    only_new = {"version": "1", "expected_version": None}
    assert (await client.put(f"{path}/champion", json=only_new)).status_code == 200
    refused = await client.put(f"{path}/champion", json={**only_new, "version": "2"})
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/alias-elsewhere")
    assert refused.json()["current_version"] == "1"
    assert refused.json()["errors"][0]["field"] == "body.expected_version"
    from_first = {"version": "2", "expected_version": first["id"]}
    for _ in range(2):  # a repeated request finds what it asks for
        assert (await client.put(f"{path}/champion", json=from_first)).json()["aliases"] == {"champion": "2"}
    late = await client.put(f"{path}/champion", json={"version": "3", "expected_version": "1"})
    assert (late.status_code, late.json()["current_version"]) == (409, "2")
    absent = await client.put(f"{path}/shadow", json={"version": "3", "expected_version": "1"})
    assert (absent.status_code, absent.json()["current_version"]) == (409, None)
    assert_chain(await history_of(client, path), "2")


async def test_of_many_that_move_from_the_same_version_one_does(client, make_app, make_client, register, path) -> None:
    for slope in range(1, 9):
        await register(float(slope))
    await client.put(f"{path}/champion", json={"version": "1"})
    async with make_client(make_app()) as other:
        answers = await asyncio.gather(
            *(
                replica.put(f"{path}/champion", json={"version": str(number), "expected_version": "1"})
                for number, replica in zip(range(2, 9), [client, other] * 4, strict=False)
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 6
    moves = await history_of(client, path)
    assert len(moves) == 2
    assert_chain(moves, moves[0]["to_version"])


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_under_concurrent_moves_and_removals_the_history_is_a_chain_without_gaps(
    *, client, make_app, make_client, register, path, name, seed: int
) -> None:
    for slope in (1.0, 2.0, 3.0):
        await register(slope)
    chance = random.Random(seed)

    async def move_about(replica: Any, script: list[str]) -> None:
        for wanted in script:
            if wanted == "0":
                await replica.delete(f"{path}/champion")
            else:
                answer = await replica.put(f"{path}/champion", json={"version": wanted})
                assert answer.status_code == 200

    async with make_client(make_app()) as other:
        scripts = [chance.choices("01233", k=8) for _ in range(6)]
        await asyncio.gather(
            *(move_about(replica, script) for replica, script in zip([client, other] * 3, scripts, strict=True))
        )
    now = (await client.get(f"/api/v1/models/{name}")).json()["aliases"].get("champion")
    assert_chain(await history_of(client, path, limit=7), now)


async def test_a_move_by_a_release_that_keeps_no_history_leaves_no_gap(
    *, client, register, predict, database, path
) -> None:
    first, second, _ = [await register(slope) for slope in (1.0, 2.0, 3.0)]
    await client.put(f"{path}/champion", json={"version": first["id"]})
    async with database.transaction() as connection:
        there = ALIASES.c.model_id == first["model_id"]
        await connection.execute(sa.update(ALIASES).where(there).values(version_id=second["id"]))
        row = {"model_id": first["model_id"], "alias": "old", "tenant_id": "default", "version_id": first["id"]}
        await connection.execute(sa.insert(ALIASES).values(row))
    known = {alias["alias"]: alias for alias in (await client.get(path)).json()["items"]}
    assert (known["champion"]["version"], known["champion"]["at"]) == ("2", None)
    assert (await client.get(f"{path}/old/history")).json()["items"] == []
    for alias in ("champion", "old"):
        await client.put(f"{path}/{alias}", json={"version": "3"})
        assert_chain(await history_of(client, path, alias), "3")
    moves = await history_of(client, path)
    assert (len(moves), moves[1]["by"], moves[1]["to_version"]) == (3, None, "2")
    assert (await predict(version="old")).json()["model_version"] == "3"


async def test_a_model_has_a_hundred_aliases_at_most(client, register, path) -> None:
    await register()
    for number in range(100):
        await client.put(f"{path}/a{number}", json={"version": "1"})
    answer = await client.put(f"{path}/b", json={"version": "1"})
    assert (answer.status_code, answer.json()["limit"]) == (409, 100)
    assert (await client.put(f"{path}/a0", json={"version": "latest"})).status_code == 200
