"""A key makes a creating request happen once, whatever breaks."""

import asyncio
from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa
from pydantic import BaseModel
from pynomaly_chassis.database import Database
from pynomaly_chassis.idempotency import (
    Claim,
    CreatedAnswer,
    IdempotencyKeys,
    KeyInUse,
    LeaseLost,
    idempotency_table,
)
from pynomaly_chassis.problems import Invalid

KEYS = idempotency_table(sa.MetaData())


class Done(BaseModel):
    """An answer."""

    by: str


async def n_notes(database: Database) -> int | None:
    async with database.transaction() as connection:
        return await connection.scalar(sa.text("SELECT count(*) FROM notes"))


async def post(client: httpx.AsyncClient, key: str, text: str = "a") -> httpx.Response:
    return await client.post("/api/v1/notes", json={"text": text}, headers={"idempotency-key": key})


async def test_the_same_key_and_content_gets_the_same_answer_and_one_effect(
    client: httpx.AsyncClient, database: Database
) -> None:
    first, second = await post(client, "k"), await post(client, "k")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert await n_notes(database) == 1


async def test_the_same_key_with_other_content_is_refused(client: httpx.AsyncClient) -> None:
    await post(client, "k", "a")
    refused = await post(client, "k", "b")
    assert refused.status_code == 422
    assert refused.json()["type"] == "/problems/idempotency-key-reused"


async def test_without_a_key_each_request_has_its_effect(client: httpx.AsyncClient, database: Database) -> None:
    for _ in range(2):
        assert (await client.post("/api/v1/notes", json={"text": "a"})).status_code == 201
    assert await n_notes(database) == 2


async def test_of_many_at_once_one_has_the_effect_and_the_others_wait_or_replay(
    client: httpx.AsyncClient, database: Database
) -> None:
    answers = await asyncio.gather(*(post(client, "k") for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert await n_notes(database) == 1


async def once(keys: IdempotencyKeys, work: object) -> object:
    return await keys.once("k", tenant_id="t", route="r", content="c", work=work)  # type: ignore[arg-type]


async def test_while_the_first_runs_the_second_is_told_so(database: Database, keys: IdempotencyKeys) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slow(claim: Claim) -> CreatedAnswer:
        begun.set()
        await finish.wait()
        answer = CreatedAnswer(Done(by="first"))
        async with database.transaction() as connection:
            await claim.finish(connection, answer)
        return answer

    first = asyncio.create_task(once(keys, slow))
    await begun.wait()
    with pytest.raises(KeyInUse):
        await once(keys, slow)
    finish.set()
    await first


async def test_a_request_that_fails_frees_its_key(keys: IdempotencyKeys, database: Database) -> None:
    async def refuses(claim: Claim) -> CreatedAnswer:
        raise Invalid.field("body.text", "", "must not be empty")

    async def works(claim: Claim) -> CreatedAnswer:
        answer = CreatedAnswer(Done(by="second"))
        async with database.transaction() as connection:
            await claim.finish(connection, answer)
        return answer

    with pytest.raises(Invalid):
        await once(keys, refuses)
    response = await once(keys, works)
    assert response.status_code == 201  # type: ignore[attr-defined]


async def test_a_holder_that_slept_through_its_lease_cannot_commit(database: Database) -> None:
    stalled_keys = IdempotencyKeys(database, KEYS, lease=timedelta(seconds=0))
    taken_over: list[object] = []

    async def finishes(claim: Claim) -> CreatedAnswer:
        answer = CreatedAnswer(Done(by="the second"))
        async with database.transaction() as connection:
            await claim.finish(connection, answer)
        return answer

    async def stalls(claim: Claim) -> CreatedAnswer:
        taken_over.append(await once(IdempotencyKeys(database, KEYS), finishes))
        return await finishes(claim)

    with pytest.raises(LeaseLost):
        await stalled_keys.once("k", tenant_id="t", route="r", content="c", work=stalls)
    assert len(taken_over) == 1


async def test_keys_over_a_day_old_are_forgotten(
    client: httpx.AsyncClient, keys: IdempotencyKeys, database: Database
) -> None:
    await post(client, "k")
    async with database.transaction() as connection:
        await connection.execute(sa.update(KEYS).values(expires_at=sa.func.now() - timedelta(seconds=1)))
    await keys.purge()
    assert (await post(client, "k", "other")).status_code == 201


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "ümlaut"])
async def test_a_key_that_is_not_one_is_refused(client: httpx.AsyncClient, key: str) -> None:
    headers = {"idempotency-key": key.encode()}
    answer = await client.post("/api/v1/notes", json={"text": "a"}, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["errors"][0]["field"]
