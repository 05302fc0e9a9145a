"""KServe's first protocol."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pynomaly_suite.served import served

SCORED = [
    {"prediction": pytest.approx(0.99752737), "is_anomaly": True, "raw_score": 6.0},
    {"prediction": pytest.approx(0.73105857), "is_anomaly": False, "raw_score": 1.0},
]
ARRAYS = [[1, 2, 3], [0, 0, 1]]
OBJECTS = [{"t3": 3, "age": 1, "tsh": 2}, {"age": 0, "tsh": 0.0, "t3": 1}]
Send = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def send(client: httpx.AsyncClient, name: str) -> Send:
    """Posts a body to this test's model."""

    async def sent(body: Any, query: str = "") -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await client.post(f"/v1/models/{name}:predict{query}", content=content)

    return sent


async def test_models_are_listed_once_by_name(client, register, name) -> None:
    await register(1.0)
    await register(2.0)
    listed = (await client.get("/v1/models")).json()["models"]
    assert listed.count(name) == 1


async def test_a_model_is_ready_when_it_would_answer(client, register, name) -> None:
    missing = await client.get(f"/v1/models/{name}")
    assert (missing.status_code, list(missing.json())) == (404, ["error"])
    await register()
    assert (await client.get(f"/v1/models/{name}")).json() == {"name": name, "ready": True}


async def test_a_model_that_fits_no_memory_is_not_ready(make_app, make_client, register_at, name) -> None:
    async with make_client(make_app(model_cache_bytes=1)) as client:
        await register_at(client)
        answer = await client.get(f"/v1/models/{name}")
    assert (answer.status_code, answer.json()) == (503, {"error": f"Model with name {name} is not ready."})


@pytest.mark.parametrize("instances", [ARRAYS, OBJECTS, [ARRAYS[0], OBJECTS[1]]], ids=["arrays", "objects", "both"])
async def test_each_row_gets_its_scores_in_order(register, send, instances: list[Any]) -> None:
    await register()
    answer = await send({"instances": instances})
    assert (answer.status_code, answer.json()) == (200, {"predictions": SCORED})
    assert answer.headers["content-type"] == "application/json"


async def test_a_version_and_the_confidence_are_asked_for_in_the_query(register, send) -> None:
    await register(1.0)
    await register(2.0)
    assert (await send({"instances": ARRAYS[:1]})).json()["predictions"][0]["raw_score"] == 12
    (scored,) = (await send({"instances": ARRAYS[:1]}, "?version=1&return_confidence=true")).json()["predictions"]
    assert scored == {**SCORED[0], "confidence": pytest.approx(0.99752737 / 2)}


async def test_texts_dates_booleans_and_missing_values_are_scored(register, send, mixed) -> None:
    await register(**mixed)
    row = {"age": None, "city": "Oslo", "smokes": True, "born": "1970-01-02", "seen": "1970-01-03T00:00:00Z"}
    answer = await send({"instances": [row]})
    assert answer.json()["predictions"][0]["raw_score"] == pytest.approx(7 + 10 + 1 + 2 + 1000)


async def test_members_that_nobody_knows_are_left_alone(register, send) -> None:
    await register()
    answer = await send({"signature_name": "a:b", "instances": ARRAYS, "parameters": {"x": [1]}})
    assert answer.json() == {"predictions": SCORED}


async def test_many_rows_are_scored_on_a_thread_alike(register, send) -> None:
    await register()
    answer = await send({"instances": ARRAYS * 5000})
    assert answer.json() == {"predictions": SCORED * 5000}


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "no-json": b"{instances: [[1,2,3]]}",
    "cut-off": b'{"instances": [[1,2,3]',
    "not-utf-8": b'{"instances": [["\xff", 2, 3]]}',
    "utf-16": '{"instances": [[1,2,3]]}'.encode("utf-16"),
    "null": b"null",
    "array": b"[[1,2,3]]",
    "number": b"1",
    "no-instances": b'{"inputs": [[1,2,3]]}',
    "instances-twice": b'{"instances": [[1,2,3]], "instances": [[1,2,3]]}',
    "instances-null": b'{"instances": null}',
    "instances-object": b'{"instances": {"age": 1}}',
    "instances-text": b'{"instances": "[[1,2,3]]"}',
    "no-rows": b'{"instances": []}',
    "row-null": b'{"instances": [null]}',
    "row-number": b'{"instances": [1, 2, 3]}',
    "row-empty": b'{"instances": [[]]}',
    "row-short": b'{"instances": [[1,2,3],[1,2]]}',
    "row-long": b'{"instances": [[1,2,3,4]]}',
    "row-of-rows": b'{"instances": [[[1],[2],[3]]]}',
    "object-empty": b'{"instances": [{}]}',
    "object-lacks": b'{"instances": [{"age": 1, "tsh": 2}]}',
    "object-has-more": b'{"instances": [{"age": 1, "tsh": 2, "t3": 3, "x": 4}]}',
    "key-twice": b'{"instances": [{"age": 1, "age": 1, "tsh": 2, "t3": 3}]}',
    "text": b'{"instances": [["1", 2, 3]]}',
    "boolean": b'{"instances": [[true, 2, 3]]}',
    "missing": b'{"instances": [[null, 2, 3]]}',
    "nan": b'{"instances": [[NaN, 2, 3]]}',
    "infinity": b'{"instances": [[1, -Infinity, 3]]}',
    "overflow": b'{"instances": [[1e999, 2, 3]]}',
    "overflowing-score": b'{"instances": [[1e308, 1e308, 1e308]]}',
    "integer-of-5000-digits": b'{"instances": [[' + b"9" * 5000 + b", 2, 3]]}",
    "deep": b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep-object": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "half-a-character": b'{"instances": [["\\ud800", 2, 3]]}',
    "nul": b'{"instances": [["\\u0000", 2, 3]]}',
    "long-key": b'{"instances": [{"' + b"k" * 100_000 + b'": 1}]}',
    "many-wrong": b'{"instances": [' + b'["x", 2, 3],' * 5000 + b"[1,2,3]]}",
}


@pytest.mark.parametrize(
    ("query", "status"),
    [("?version=9", 404), ("?version=", 400), ("?return_confidence=perhaps", 400), (f"?version={'9' * 200}", 400)],
    ids=["no-such-version", "empty-version", "odd-flag", "long-version"],
)
async def test_an_odd_query_is_refused(register, send, query: str, status: int) -> None:
    await register()
    answer = await send({"instances": ARRAYS}, query)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


async def test_a_wrong_value_is_named_by_row_and_column(register, send) -> None:
    await register()
    answer = await send({"instances": [OBJECTS[0], {**OBJECTS[1], "tsh": "high"}]})
    assert "instances.1.tsh" in answer.json()["error"]


async def test_an_unknown_model_an_unknown_verb_and_another_method_are_refused(client, send) -> None:
    for answer, status in (
        (await send({"instances": ARRAYS}), 404),
        (await client.post("/v1/models/thyroid:explain", json={}), 405),
        (await client.get("/v1/models/a/b"), 404),
        (await client.delete("/v1/models"), 405),
    ):
        assert (answer.status_code, list(answer.json())) == (status, ["error"])


async def test_too_many_rows_and_too_large_a_body_are_refused(make_app, make_client, register_at, name) -> None:
    async with make_client(make_app(max_detection_batch_size=2, max_request_size_mb=1)) as client:
        await register_at(client)
        many = await client.post(f"/v1/models/{name}:predict", json={"instances": ARRAYS * 2})
        large = await client.post(f"/v1/models/{name}:predict", content=b" " * 2 * 2**20)
    assert [(answer.status_code, list(answer.json())) for answer in (many, large)] == [(413, ["error"])] * 2


async def test_hostile_bodies_are_refused_in_the_protocols_form_and_leave_the_server_serving(
    app: FastAPI, register, name
) -> None:
    await register()
    async with served(app, lifespan="off") as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        for what, body in HOSTILE.items():
            answer = await client.post(f"/v1/models/{name}:predict", content=body)
            assert (what, answer.status_code, list(answer.json())) == (what, 400, ["error"])
            assert 0 < len(answer.json()["error"]) < 3000
        answer = await client.post(f"/v1/models/{name}:predict", json={"instances": ARRAYS})
    assert answer.json() == {"predictions": SCORED}
