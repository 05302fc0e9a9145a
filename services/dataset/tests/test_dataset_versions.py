"""Versions: appended or put in place of the one before, never changed, collected with their data set."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from dataset_service.collector import Collector
from fastapi import FastAPI
from pynomaly_chassis.ids import utc_now

Upload = Callable[..., Awaitable[httpx.Response]]
Add = Callable[..., Awaitable[httpx.Response]]
TABLE = "/api/v1/datasets/table"
VERSIONS = f"{TABLE}/versions"
FIRST = b"n,x,on,label\n1,2,2024-01-01,0\n2,3,2024-01-02,1\n"
SECOND = b"label,on,x,n\n0,2024-01-03,2.5,3\n"


@pytest.fixture
def add(client: httpx.AsyncClient) -> Add:
    """`await add(content, mode=...)`: the body is the file."""

    async def send(content: bytes, headers: dict[str, str] | None = None, **query: str) -> httpx.Response:
        said = {"content-type": "text/csv", **(headers or {})}
        return await client.post(VERSIONS, content=content, params=query, headers=said)

    return send


async def test_appended_rows_follow_those_that_there_are(upload: Upload, add: Add, client: httpx.AsyncClient) -> None:
    first = (await upload(FIRST, target_column="label")).json()
    answer = await add(SECOND)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(f"{first['id']}/versions/2")
    assert answer.json()["changes"] == {
        "n_rows": 1,
        "added_columns": [],
        "removed_columns": [],
        "retyped_columns": ["x"],
    }
    rows = await client.get(f"{TABLE}/rows")
    assert rows.text == "n,x,on,label\n1,2.0,2024-01-01,0\n2,3.0,2024-01-02,1\n3,2.5,2024-01-03,0\n"
    now = (await client.get(TABLE)).json()
    assert (now["version"], now["n_rows"], now["target_column"], now["id"]) == ("2", 3, "label", first["id"])


async def test_the_version_before_stays_as_it_was(upload: Upload, add: Add, client: httpx.AsyncClient) -> None:
    first = (await upload(FIRST)).json()
    before = await client.get(f"{TABLE}/rows")
    await add(SECOND)
    old = {"version": "1"}
    rows = await client.get(f"{TABLE}/rows", params=old)
    assert (rows.content, rows.headers["etag"]) == (before.content, before.headers["etag"])
    assert (await client.get(f"{TABLE}/quality", params=old)).json()["n_rows"] == 2
    assert (await client.get(f"{TABLE}/sample", params=old)).json()["n_rows"] == 2
    said = (await client.get(TABLE, params=old)).json()
    assert {**said, "updated_at": None} == {**first, "updated_at": None}


async def test_a_replacing_version_may_have_other_columns(upload: Upload, add: Add, client: httpx.AsyncClient) -> None:
    await upload(FIRST)
    answer = await add(b"n,z\n9,text\n", mode="replace")
    assert answer.json()["changes"] == {
        "n_rows": -1,
        "added_columns": ["z"],
        "removed_columns": ["x", "on", "label"],
        "retyped_columns": [],
    }
    assert (await client.get(f"{TABLE}/rows")).text == "n,z\n9,text\n"


async def test_every_version_is_listed_newest_first(upload: Upload, add: Add, client: httpx.AsyncClient) -> None:
    await upload(FIRST)
    await add(SECOND)
    await add(FIRST, mode="replace")
    found = (await client.get(VERSIONS)).json()["items"]
    assert [(each["version"], each["made_by"], each["n_rows"]) for each in found] == [
        ("3", "replace", 2),
        ("2", "append", 3),
        ("1", None, 2),
    ]
    assert found[2]["changes"] is None
    assert (await client.get(f"{VERSIONS}/2")).json() == found[1]


async def test_a_version_comes_as_a_form_too_and_once_per_key(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(FIRST)
    form: dict[str, Any] = {"files": {"file": ("more.csv", SECOND, "text/csv")}, "data": {"mode": "append"}}
    answers = [await client.post(VERSIONS, headers={"idempotency-key": "k"}, **form) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert (await client.get(TABLE)).json()["n_rows"] == 3


async def test_a_column_without_values_goes_with_any_type(upload: Upload, add: Add, client: httpx.AsyncClient) -> None:
    await upload(b"a,at\n1,2024-01-01T00:00:00Z\n")
    assert (await add(b"a,at\n,2024-01-02T00:00:00\n")).status_code == 201
    assert (await client.get(f"{TABLE}/rows")).text.splitlines()[2].startswith(",2024-01-02T00:00:00")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"n,x,on\n1,2,2024-01-01\n", "lacks label"),
        (b"n,x,on,label,more\n1,2,2024-01-01,0,5\n", "has also more"),
        (b"n,x,on,label\n1,two,2024-01-01,0\n", "column 'x' holds integer values, and string values in the file"),
        (b"n,x,on,label\n1,2,2024-01-01,7\n", "row 3"),
        (b"", "empty"),
    ],
    ids=["lacking", "strange", "type", "label", "empty"],
)
async def test_rows_that_do_not_fit_are_refused_and_nothing_changes(
    content: bytes,
    said: str,
    *,
    upload: Upload,
    add: Add,
    client: httpx.AsyncClient,
    stored_files: Callable[[], list[str]],
) -> None:
    await upload(FIRST, target_column="label")
    before = (await client.get(TABLE)).json()
    answer = await add(content)
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["detail"]
    assert (await client.get(TABLE)).json() == before
    assert len(stored_files()) == 1


async def test_of_versions_made_at_once_of_the_same_one_only_one_counts(
    upload: Upload, add: Add, client: httpx.AsyncClient
) -> None:
    await upload(FIRST)
    answers = await asyncio.gather(*(add(SECOND) for _ in range(4)))
    n_made = sum(answer.status_code == 201 for answer in answers)
    refused = {answer.json()["type"] for answer in answers if answer.status_code != 201}
    assert n_made >= 1
    assert refused <= {"/problems/dataset-changed"}
    now = (await client.get(TABLE)).json()
    assert (now["version"], now["n_rows"]) == (str(1 + n_made), 2 + n_made)


async def test_a_target_belongs_to_the_versions_in_which_it_was_named(
    upload: Upload, add: Add, client: httpx.AsyncClient
) -> None:
    await upload(b"a,b\n5,0\n6,1\n", target_column="b")
    refused = await add(b"a,c\n5,0\n", mode="replace")
    assert (refused.status_code, "no column 'b'" in refused.text) == (422, True)
    assert (await add(b"a,b\n7,1\n", mode="replace")).status_code == 201
    assert (await client.patch(TABLE, json={"target_column": None})).status_code == 200
    assert (await add(b"a,b\n5,anything\n", mode="replace")).status_code == 201
    for version, target in (("1", "b"), ("2", None), ("3", None)):
        assert (await client.get(TABLE, params={"version": version})).json()["target_column"] == target
        quality = await client.get(f"{TABLE}/quality", params={"version": version})
        assert (quality.status_code, quality.json()["target_column"]) == (200, target), quality.text


async def test_a_target_named_later_is_none_of_the_versions_before(
    upload: Upload, add: Add, client: httpx.AsyncClient
) -> None:
    await upload(b"a,b\n5,anything\n")
    assert (await add(b"a,b\n5,0\n6,1\n", mode="replace")).status_code == 201
    assert (await client.patch(TABLE, json={"target_column": "b"})).status_code == 200
    assert (await client.get(TABLE, params={"version": "1"})).json()["target_column"] is None
    assert (await client.get(f"{TABLE}/quality", params={"version": "1"})).status_code == 200


@pytest.mark.parametrize("path", [TABLE, f"{TABLE}/rows", f"{TABLE}/quality", f"{TABLE}/sample"])
async def test_an_unknown_version_is_not_found(path: str, upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(FIRST)
    answer = await client.get(path, params={"version": "7"})
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/version-not-found")
    assert "its newest is '1'" in answer.json()["detail"]


async def test_versions_are_collected_with_their_data_set_and_not_before(
    app: FastAPI,
    upload: Upload,
    add: Add,
    client: httpx.AsyncClient,
    stored_files: Callable[[], list[str]],
) -> None:
    await upload(FIRST)
    await add(SECOND)
    service = app.state.datasets
    collector = Collector(service._repository, service._objects)
    tomorrow = utc_now() + timedelta(hours=25)
    await collector.sweep(tomorrow)
    assert len(stored_files()) == 2
    await client.delete(TABLE)
    await collector.sweep(tomorrow)
    assert stored_files() == []
