"""Rows in Arrow and Parquet, in and out of POST /api/v1/predict/batch."""

import io
import json
import random
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pynomaly_contracts.media import ARROW_STREAM, JSON, PARQUET

BATCH = "/api/v1/predict/batch"
ROWS = {"age": [1.0, -2.0], "tsh": [0.5, 1.0], "t3": [0.25, 0.0]}
Write = Callable[..., bytes]


def people(n_rows: int) -> dict[str, Any]:
    """Columns of the mixed model, without the city."""
    nothing = np.zeros(n_rows)
    return {"age": np.ones(n_rows), "smokes": nothing, "born": nothing, "seen": nothing}


TWO_PEOPLE = people(2)


def write_arrow(table: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def write_parquet(table: Any, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


WRITERS: dict[str, Write] = {ARROW_STREAM: write_arrow, PARQUET: write_parquet}
BOTH = pytest.mark.parametrize("kind", [ARROW_STREAM, PARQUET], ids=["arrow", "parquet"])


def read(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"] == PARQUET:
        return pq.read_table(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == ARROW_STREAM
    return pa.ipc.open_stream(answer.content).read_all()


@pytest.fixture
def send(client: httpx.AsyncClient, name: str) -> Callable[..., Any]:
    """Posts a table, or bytes, to this test's model."""

    async def sent(kind: str, content: Any, *, accept: str = "*/*", **query: Any) -> httpx.Response:
        body = content if isinstance(content, bytes) else WRITERS[kind](content)
        headers = {"content-type": kind, "accept": accept}
        return await client.post(BATCH, content=body, headers=headers, params={"model_id": name, **query})

    return sent


@BOTH
async def test_a_table_is_answered_with_a_table_in_its_format(register, send, kind: str) -> None:
    version = await register(0.5)
    found = read(await send(kind, pa.table({name: ROWS[name] for name in ("t3", "age", "tsh")})))
    assert found.column_names == ["prediction", "is_anomaly", "raw_score"]
    assert found.column("raw_score").to_pylist() == [0.875, -0.5]
    assert found.column("is_anomaly").to_pylist() == [False, False]
    about = {key.decode(): value.decode() for key, value in found.schema.metadata.items()}
    assert (about["model_id"], about["model_version"], about["threshold"]) == (version["model_id"], "1", "1.0")


@BOTH
async def test_a_version_and_confidence_are_asked_for_in_the_query(register, send, kind: str) -> None:
    await register(1.0)
    await register(2.0)
    found = read(await send(kind, pa.table(ROWS), version="1", return_confidence="true"))
    assert found.column("raw_score").to_pylist() == [1.75, -1]
    assert found.column("confidence").to_numpy() == pytest.approx(found.column("prediction").to_numpy() / 2)


@pytest.mark.parametrize("wanted", [ARROW_STREAM, PARQUET, JSON], ids=["arrow", "parquet", "json"])
async def test_each_format_may_be_answered_with_another(register, send, client, name, wanted: str) -> None:
    await register()
    accept = f"text/html;q=0.9, {wanted}, */*"
    answer = await send(ARROW_STREAM, pa.table(ROWS), accept=accept)
    rows = {"data": [list(row) for row in zip(*ROWS.values(), strict=True)], "model_id": name}
    of_json = await client.post(BATCH, json=rows, headers={"accept": accept})
    if wanted == JSON:
        assert [row["raw_score"] for row in answer.json()["predictions"]] == [1.75, -1]
        assert of_json.json()["predictions"] == answer.json()["predictions"]
    else:
        assert read(answer).column("raw_score").to_pylist() == [1.75, -1]
        assert read(of_json).equals(read(answer))


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (f"{JSON};q=0.1, {PARQUET};q=0.9", PARQUET),
        (f"{JSON};q=0, */*", ARROW_STREAM),
        (f"{ARROW_STREAM};q=0, */*;q=0.5", JSON),
        (f"*/*;q=0.1, {JSON}", JSON),
    ],
    ids=["more-wanted", "not-json", "not-as-sent", "rather"],
)
async def test_what_is_wanted_most_is_answered(register, send, accept: str, wanted: str) -> None:
    await register()
    answer = await send(ARROW_STREAM, pa.table(ROWS), accept=accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, wanted)


async def test_an_answer_that_nobody_writes_is_not_acceptable(register, send) -> None:
    await register()
    answer = await send(ARROW_STREAM, pa.table(ROWS), accept="text/html")
    assert (answer.status_code, answer.json()["type"]) == (406, "/problems/http-406")


@BOTH
async def test_columns_of_every_type_are_read(register, send, mixed, kind: str) -> None:
    await register(**mixed)
    day = np.array(["1970-01-02", "1970-01-03"], "datetime64[D]")
    table = pa.table(
        {
            "age": pa.array([3, None], pa.int16()),
            "city": pa.array(["Rome", "Oslo"]).dictionary_encode(),
            "smokes": pa.array([True, False]),
            "born": pa.array(day),
            "seen": pa.array(day.astype("datetime64[us]"), pa.timestamp("us", tz="Europe/Oslo")),
        }
    )
    assert read(await send(kind, table)).column("raw_score").to_pylist() == pytest.approx([3 + 2010 + 2, 7 + 1000 + 4])
    plain = table.set_column(1, "city", table.column("city").cast(pa.string()))
    assert read(await send(kind, plain)).column("raw_score").to_pylist() == pytest.approx([2015, 1011])


@BOTH
async def test_many_rows_in_many_batches_score_as_one_by_one(register, send, kind: str) -> None:
    await register()
    ages = np.arange(30_000) / 7
    options = {"row_group_size": 7000} if kind == PARQUET else {}
    body = WRITERS[kind](pa.table({"age": ages, "tsh": ages * 0, "t3": ages * 0}), **options)
    np.testing.assert_allclose(read(await send(kind, body)).column("raw_score").to_numpy(), ages)


@pytest.mark.parametrize(
    ("columns", "field", "message"),
    [
        ({"age": [1.0], "tsh": [2.0]}, "body.t3", "missing"),
        ({**ROWS, "extra": [1, 2]}, "body.extra", "unknown feature"),
        ({**ROWS, "t3": [1.0, None]}, "body.1.t3", "preprocessing.missing"),
        ({**ROWS, "t3": [1.0, float("inf")]}, "body.1.t3", "finite"),
        ({**ROWS, "t3": ["1", "2"]}, "body.0.t3", "not a finite number"),
        ({**ROWS, "t3": [True, False]}, "body.t3", "numbers are expected"),
        ({**ROWS, "t3": [[1.0], [2.0]]}, "body.t3", "is not taken"),
        ({**ROWS, "t3": [b"1", b"2"]}, "body.t3", "is not taken"),
        ({name: pa.array([], pa.float64()) for name in ROWS}, "body", "at least one row"),
    ],
    ids=["missing", "unknown", "null", "infinite", "text", "boolean", "list", "binary", "empty"],
)
@BOTH
async def test_wrong_columns_are_named(*, register, send, kind: str, columns: Any, field: str, message: str) -> None:
    await register()
    answer = await send(kind, pa.table(columns))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert message in answer.json()["errors"][0]["message"]


async def test_a_wrong_value_far_into_a_table_has_its_own_row_number(register, send) -> None:
    await register()
    ages = np.ones(20_000)
    ages[15_000] = np.nan
    answer = await send(ARROW_STREAM, pa.table({"age": ages, "tsh": ages, "t3": np.ones(20_000)}))
    assert [error["field"] for error in answer.json()["errors"]] == ["body.15000.age", "body.15000.tsh"]
    ages[15_000] = 1.7e308
    answer = await send(ARROW_STREAM, pa.table({"age": ages, "tsh": ages, "t3": np.ones(20_000)}))
    assert (answer.json()["type"], answer.json()["errors"][0]["field"]) == ("/problems/score-not-finite", "body.15000")


async def test_a_column_twice_is_refused(register, send) -> None:
    await register()
    twice = pa.Table.from_arrays([pa.array([1.0])] * 4, names=["age", "tsh", "t3", "age"])
    answer = await send(ARROW_STREAM, twice)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.age")


@pytest.mark.parametrize(
    ("query", "field"),
    [({"return_confidence": "perhaps"}, "query.return_confidence"), ({"version": ""}, "query.version")],
    ids=["flag", "version"],
)
async def test_a_wrong_query_is_named(register, send, query: dict[str, str], field: str) -> None:
    await register()
    answer = await send(ARROW_STREAM, pa.table(ROWS), **query)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@BOTH
async def test_rows_and_bytes_over_their_limits_are_refused(make_app, make_client, kind: str) -> None:
    app = make_app(max_table_rows=1, max_table_bytes=2_000_000, max_request_size_mb=1)
    async with make_client(app) as client:
        posted = {"headers": {"content-type": kind}}
        await client.put("/api/v1/models/default", json={"model_id": "nobody"})
        large = await client.post(BATCH, content=b" " * 2_100_000, **posted)
        as_json = await client.post(BATCH, content=b" " * 1_100_000, headers={"content-type": JSON})
    assert [(answer.status_code, answer.json()["type"]) for answer in (large, as_json)] == [
        (413, "/problems/body-too-large")
    ] * 2


@BOTH
async def test_too_many_rows_in_a_table_are_refused(make_app, make_client, register_at, name, kind: str) -> None:
    async with make_client(make_app(max_table_rows=1)) as client:
        await register_at(client)
        body = WRITERS[kind](pa.table(ROWS))
        answer = await client.post(BATCH, content=body, headers={"content-type": kind}, params={"model_id": name})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-many-rows")


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
async def test_compressed_batches_are_read_and_bombs_refused(register, send, codec: str) -> None:
    await register()
    small = write_arrow(pa.table({name: np.zeros(1000) for name in ROWS}), compression=codec)
    assert read(await send(ARROW_STREAM, small)).num_rows == 1000
    bomb = write_arrow(pa.table({name: np.zeros(12_000_000) for name in ROWS}), compression=codec)
    answer = await send(ARROW_STREAM, bomb)
    assert len(bomb) < 3_000_000
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


async def test_a_page_that_expands_beyond_measure_is_refused(register, send) -> None:
    await register()
    pages = {
        "use_dictionary": False,
        "compression": "zstd",
        "data_page_size": 2**30,
        "write_batch_size": 2**25,
        "max_rows_per_page": 2**26,
    }
    bomb = write_parquet(pa.table({name: np.zeros(9_000_000) for name in (*ROWS, "x")}), row_group_size=2**26, **pages)
    answer = await send(PARQUET, bomb)
    assert len(bomb) < 200_000
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


async def test_a_long_text_that_is_said_often_is_there_once(register, send, mixed) -> None:
    await register(**mixed)
    n_rows = 20_000
    many = {"age": np.ones(n_rows), "smokes": np.ones(n_rows), "born": np.ones(n_rows), "seen": np.ones(n_rows)}
    city = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n_rows, np.int8)), pa.array(["x" * 1_000_000]))
    for kind in WRITERS:
        answer = await send(kind, pa.table({**many, "city": city}))
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.0.city")


@pytest.mark.parametrize("indices", ["int8", "uint8", "uint32", "uint64"])
async def test_a_dictionarys_indices_may_be_of_any_kind(register, send, mixed, indices: str) -> None:
    await register(**mixed)
    city = pa.DictionaryArray.from_arrays(pa.array([1, 0], getattr(pa, indices)()), pa.array(["Oslo", "Rome"]))
    answer = await send(ARROW_STREAM, pa.table({**TWO_PEOPLE, "city": city}))
    assert read(answer)["raw_score"].to_pylist() == [2001, 1001]


async def test_texts_are_read_from_views_and_those_that_would_be_copied_beyond_measure_refused(
    register, send, mixed
) -> None:
    await register(**mixed)
    short = pa.array(["Rome", "Oslo"], pa.string_view())
    answer = await send(ARROW_STREAM, pa.table({**TWO_PEOPLE, "city": short}))
    assert read(answer)["raw_score"].to_pylist() == [2001, 1001]
    answer = await send(ARROW_STREAM, pa.table({**people(1000), "city": same_bytes_viewed(1000, 1_000_000)}))
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


def same_bytes_viewed(n_rows: int, n_bytes: int) -> Any:
    """As many texts, each of them the same bytes of one buffer."""
    view = np.array([n_bytes, int.from_bytes(b"xxxx", "little"), 0, 0], "<u4")
    buffers = [None, pa.py_buffer(np.tile(view, n_rows)), pa.py_buffer(b"x" * n_bytes)]
    return pa.Array.from_buffers(pa.string_view(), n_rows, buffers)


@pytest.mark.parametrize("told", [1, 2, 4, 60])
async def test_a_footer_that_miscounts_its_rows_is_malformed(register, send, told: int) -> None:
    await register()
    body = write_parquet(pa.table({name: [0.0, 1.0, 2.0] for name in ROWS}), write_statistics=False)
    footer = len(body) - 8 - int.from_bytes(body[-8:-4], "little")
    at = body.index(bytes([0x16, 2 * 3, 0x19]), footer)  # num_rows, and the groups of rows after it
    answer = await send(PARQUET, body[: at + 1] + bytes([2 * told]) + body[at + 2 :])
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-body")


async def test_an_encoding_that_repeats_prefixes_is_refused(register, send, mixed) -> None:
    await register(**mixed)
    table = pa.table({"age": [1.0], "city": ["Oslo"], "smokes": [1], "born": [0], "seen": [0]})
    body = write_parquet(table, use_dictionary=False, column_encoding={"city": "DELTA_BYTE_ARRAY"})
    answer = await send(PARQUET, body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.city")


@BOTH
async def test_three_hundred_damaged_bodies_are_answered_and_the_service_goes_on(
    *, register, send, predict, mixed, kind: str
) -> None:
    await register(**mixed)
    n_rows = 50
    table = pa.table(
        {
            "age": np.arange(n_rows) * 1.5,
            "city": pa.array(["Oslo", "Rome"] * 25).dictionary_encode(),
            "smokes": pa.array([True] * n_rows),
            "born": np.zeros(n_rows),
            "seen": np.zeros(n_rows),
        }
    )
    right, chance = WRITERS[kind](table), random.Random(7)
    statuses = {(await send(kind, damaged(right, chance))).status_code for _ in range(300)}
    assert statuses <= {200, 400, 413, 422}
    assert 400 in statuses
    assert read(await send(kind, right)).num_rows == n_rows


def damaged(body: bytes, chance: random.Random) -> bytes:
    """Bytes changed, cut off, or eight of them replaced by an absurd number."""
    found = bytearray(body)
    how = chance.randrange(3)
    at = chance.randrange(len(found))
    if how == 0:
        found[at] ^= 1 << chance.randrange(8)
    elif how == 1:
        del found[at:]
    else:
        found[at : at + 8] = chance.choice([2**63 - 1, 2**31, 2**40, 0]).to_bytes(8, "little")
    return bytes(found)


@pytest.mark.parametrize("body", [b"", b"PAR1", b"\xff\xff\xff\xff\x00\x00\x00\x00", json.dumps(ROWS).encode()])
@BOTH
async def test_what_is_no_table_is_malformed(register, send, kind: str, body: bytes) -> None:
    await register()
    answer = await send(kind, body)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-body")
