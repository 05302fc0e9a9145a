"""Rows as a file: chosen by comparisons, asked for again, and gone on with after an interruption."""

from collections.abc import Awaitable, Callable

import httpx
import polars as pl
import pytest
from pynomaly_contracts.media import NDJSON, PARQUET

Upload = Callable[..., Awaitable[httpx.Response]]
TABLE = "/api/v1/datasets/table"
ROWS = f"{TABLE}/rows"
PEOPLE = (
    b"n,age,city,member,born,seen,a=b\n"
    b"1,30.5,Oslo,true,1990-01-31,2024-01-01T12:00:00Z,1\n"
    b"2,,Rome,false,1980-05-05,2024-06-01T12:00:00Z,2\n"
    b"3,41,,true,,2024-03-01T00:30:00Z,3\n"
)


@pytest.mark.parametrize(
    ("comparisons", "found"),
    [
        (["age>30.5"], [3]),
        (["age>=30.5", "age < 41"], [1]),
        (["age="], [2]),
        (["age!="], [1, 3]),
        (["n!=2"], [1, 3]),
        (["n>=9007199254740993"], []),
        (["city=Oslo"], [1]),
        (["city!=Oslo"], [2]),
        (["member=true"], [1, 3]),
        (["member!=TRUE"], [2]),
        (["born<1985-01-01"], [2]),
        (["seen>=2024-03-01T02:00:00+01:00"], [2]),
        (["seen>2024-03-01T00:00:00"], [2, 3]),
        (["a=b=2"], [2]),
        (["n>5"], []),
    ],
    ids=lambda value: "-".join(value) if value and isinstance(value[0], str) else None,
)
async def test_comparisons_choose_rows(
    comparisons: list[str], found: list[int], upload: Upload, client: httpx.AsyncClient
) -> None:
    await upload(PEOPLE)
    answer = await client.get(ROWS, params={"filter": comparisons, "columns": "n"})
    assert answer.status_code == 200, answer.text
    assert answer.text.split() == ["n", *map(str, found)]


async def test_offset_and_limit_count_the_chosen_rows(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"x\n" + b"".join(b"%d\n" % (i + 5) for i in range(200_000)))
    answer = await client.get(ROWS, params={"filter": "x>=100000", "offset": 65_000, "limit": 3})
    assert answer.text.split() == ["x", "165000", "165001", "165002"]


@pytest.mark.parametrize(
    ("comparison", "said"),
    [
        ("height>3", "the columns are n, age"),
        ("age", "is no comparison"),
        ("age>old", "holds values of type number"),
        ("born>today", "such as 2024-01-31"),
        ("member>true", "compare by = or !="),
        ("age>", "only = and != can ask for missing"),
    ],
    ids=["unknown", "no-sign", "text", "day", "boolean", "missing"],
)
async def test_a_comparison_that_means_nothing_is_refused(
    comparison: str, said: str, upload: Upload, client: httpx.AsyncClient
) -> None:
    await upload(PEOPLE)
    answer = await client.get(ROWS, params={"filter": comparison})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "query.filter"
    assert said in answer.json()["errors"][0]["message"]


async def test_rows_that_the_caller_has_are_not_sent_again(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(PEOPLE)
    first = await client.get(ROWS)
    again = await client.get(ROWS, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = await client.get(ROWS, headers={"if-none-match": first.headers["etag"], "accept": NDJSON})
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [("bytes=0-9", 0, 10), ("bytes=7-", 7, None), ("bytes=3-100000", 3, None)],
    ids=["first", "rest", "beyond"],
)
async def test_a_download_goes_on_where_it_stopped(
    wanted: str, start: int, stop: int | None, upload: Upload, client: httpx.AsyncClient
) -> None:
    await upload(PEOPLE)
    whole = await client.get(ROWS)
    part = await client.get(ROWS, headers={"range": wanted, "if-range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[start:stop])
    last = len(whole.content[:stop]) - 1
    assert part.headers["content-range"] == f"bytes {start}-{last}/{len(whole.content)}"


async def test_a_range_of_other_bytes_gives_the_whole(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(PEOPLE)
    answer = await client.get(ROWS, headers={"range": "bytes=7-", "if-range": '"another"'})
    assert (answer.status_code, answer.content[:2]) == (200, b"n,")


async def test_a_range_beyond_the_end_is_refused_with_the_length(
    upload: Upload, client: httpx.AsyncClient, stored_files: Callable[[], list[str]]
) -> None:
    await upload(PEOPLE)
    n_bytes = len((await client.get(ROWS)).content)
    answer = await client.get(ROWS, headers={"range": f"bytes={n_bytes}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{n_bytes}")
    assert len(stored_files()) == 1


async def test_rows_come_as_parquet_of_many_row_groups(upload: Upload, client: httpx.AsyncClient) -> None:
    await upload(b"x,y\n" + b"".join(b"%d,t%d\n" % (i, i) for i in range(150_000)))
    answer = await client.get(ROWS, headers={"accept": PARQUET}, params={"filter": "x>=10"})
    frame = pl.read_parquet(answer.content)
    assert (frame.height, frame["y"][-1]) == (149_990, "t149999")
    assert answer.headers["content-disposition"] == 'attachment; filename="table.parquet"'


async def test_name_description_and_target_can_be_changed(upload: Upload, client: httpx.AsyncClient) -> None:
    made = (await upload(PEOPLE)).json()
    changed = await client.patch(TABLE, json={"name": "people", "target_column": "member", "description": "all of us"})
    assert changed.status_code == 200, changed.text
    found = (await client.get("/api/v1/datasets/people")).json()
    assert (found["id"], found["target_column"], found["description"]) == (made["id"], "member", "all of us")
    assert (await client.get(TABLE)).status_code == 404
    freed = await client.patch("/api/v1/datasets/people", json={"target_column": None})
    assert (freed.json()["target_column"], freed.json()["description"]) == (None, "all of us")


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({}, 422, "body"),
        ({"name": None}, 422, "body"),
        ({"name": "no name"}, 422, "body.name"),
        ({"name": "taken"}, 409, "body.name"),
        ({"target_column": "city"}, 422, "body.target_column"),
        ({"target_column": "height"}, 422, "body.target_column"),
        ({"n_rows": 5}, 422, "body.n_rows"),
    ],
    ids=["nothing", "no-name", "bad-name", "taken", "no-labels", "unknown-column", "rows"],
)
async def test_a_change_that_cannot_be_is_refused_and_nothing_changes(
    change: dict[str, object], status: int, field: str, upload: Upload, client: httpx.AsyncClient
) -> None:
    before = (await upload(PEOPLE)).json()
    await upload(PEOPLE, name="taken")
    answer = await client.patch(TABLE, json=change)
    assert answer.status_code == status, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert (await client.get(TABLE)).json() == before
