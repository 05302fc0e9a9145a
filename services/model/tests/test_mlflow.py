"""MLflow's scoring protocol."""

import json
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from model_service.csv_rows import read_csv
from model_service.domain import Columns
from model_service.invocations import Asked
from pynomaly_scoring import InputColumn
from pynomaly_suite.served import served

JSON, CSV = {"content-type": "application/json"}, {"content-type": "text/csv"}
SCORED = [
    {"prediction": pytest.approx(0.99752737), "is_anomaly": True, "raw_score": 6.0},
    {"prediction": pytest.approx(0.73105857), "is_anomaly": False, "raw_score": 1.0},
]
NAMES, ARRAYS = ["t3", "age", "tsh"], [[3, 1, 2], [1.0, 0, 0]]  # in another order than the model's
IN_ORDER = [[1, 2, 3], [0, 0, 1]]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in ARRAYS]
BY_COLUMN = {name: [row[name] for row in RECORDS] for name in NAMES}
Send = Callable[..., Awaitable[httpx.Response]]

FORMS: dict[str, dict[str, Any]] = {
    "dataframe_split": {"dataframe_split": {"columns": NAMES, "index": [7, 8], "data": ARRAYS}},
    "dataframe_split-with-texts-for-an-index": {
        "dataframe_split": {"columns": NAMES, "index": ["a:b", "c"], "data": ARRAYS}
    },
    "dataframe_split-without-columns": {"dataframe_split": {"data": IN_ORDER}},
    "dataframe_records": {"dataframe_records": RECORDS},
    "instances-as-arrays": {"instances": IN_ORDER},
    "instances-as-objects": {"instances": RECORDS},
    "inputs-as-arrays": {"inputs": IN_ORDER},
    "inputs-as-objects": {"inputs": RECORDS},
    "inputs-by-column": {"inputs": BY_COLUMN},
    "with-params-for-nothing": {"instances": IN_ORDER, "params": {}},
    "with-null-params": {"instances": IN_ORDER, "params": None},
}
FILES = {
    "csv": b"t3,age,tsh\n3,1,2\n1.0,0,0e0\n",
    "csv-with-an-index": b",t3,age,tsh\n0,3,1,2\n1,1.0,0,0\n",
    "csv-from-windows": b"\xef\xbb\xbft3,age,tsh\r\n3,1,2\r\n1.0,0,0\r\n",
    "csv-quoted": b'"t3","age","tsh"\n"3","1"," 2"\n1.0,0,0',
    "csv-with-empty-lines": b"\nt3,age,tsh\n\n3,1,2\n\n1.0,0,0\n\n",
}


@pytest.fixture
def send(client: httpx.AsyncClient, name: str) -> Send:
    """Invokes this test's model."""

    async def sent(body: Any, headers: dict[str, str] = JSON, query: str = "") -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await client.post(f"/invocations?model_id={name}{query}", content=content, headers=headers)

    return sent


async def test_the_server_says_that_it_runs_and_its_version(client) -> None:
    assert (await client.get("/ping")).status_code == 200
    version = await client.get("/version")
    assert (version.status_code, version.text) == (200, "0.1.0")


@pytest.mark.parametrize("body", FORMS.values(), ids=FORMS)
async def test_every_form_of_rows_is_scored_alike(register, send, body: dict[str, Any]) -> None:
    await register()
    answer = await send(body)
    assert (answer.status_code, answer.json()) == (200, {"predictions": SCORED})


@pytest.mark.parametrize("body", FILES.values(), ids=FILES)
async def test_every_kind_of_csv_is_scored_alike(register, send, body: bytes) -> None:
    await register()
    answer = await send(body, CSV)
    assert (answer.status_code, answer.json()) == (200, {"predictions": SCORED})


async def test_one_row_may_be_one_value_per_column(register, send) -> None:
    await register()
    assert (await send({"inputs": RECORDS[0]})).json() == {"predictions": SCORED[:1]}


async def test_the_charset_may_be_said(register, send) -> None:
    await register()
    headers = {"content-type": 'application/json; charset="UTF-8"'}
    assert (await send({"inputs": IN_ORDER}, headers)).json() == {"predictions": SCORED}


async def test_without_a_name_the_default_model_scores(client, register, name) -> None:
    await register()
    body = {"instances": IN_ORDER}
    await client.delete("/api/v1/models/default")
    nobody = await client.post("/invocations", json=body)
    assert (nobody.status_code, nobody.json()["error_code"]) == (409, "RESOURCE_CONFLICT")
    await client.put("/api/v1/models/default", json={"model_id": name})
    assert (await client.post("/invocations", json=body)).json() == {"predictions": SCORED}


async def test_params_choose_the_model_as_the_query_does(client, register, name) -> None:
    await register(1.0)
    await register(2.0)
    params = {"model_id": name, "version": "1", "return_confidence": True}
    (scored,) = (await client.post("/invocations", json={"instances": IN_ORDER[:1], "params": params})).json()[
        "predictions"
    ]
    assert scored == {**SCORED[0], "confidence": pytest.approx(0.99752737 / 2)}
    query = f"/invocations?model_id={name}&version=1&return_confidence=1"
    assert (await client.post(query, json={"inputs": IN_ORDER[:1]})).json() == {"predictions": [scored]}


MIXED_CSV = b"""age,city,smokes,born,seen
,Oslo,True,1970-01-02,1970-01-03T00:00:00Z
NaN,Rome,0,1970-01-01,1970-01-01 00:00:00
"""


async def test_texts_dates_booleans_and_missing_values_are_scored(register, send, mixed) -> None:
    await register(**mixed)
    names = ["age", "city", "smokes", "born", "seen"]
    rows = [
        [None, "Oslo", True, "1970-01-02", "1970-01-03T00:00:00Z"],
        [None, "Rome", False, "1970-01-01", "1970-01-01T00:00:00Z"],
    ]
    of_split = await send({"dataframe_split": {"columns": names, "data": rows}})
    of_csv = await send(MIXED_CSV, CSV)
    assert [row["raw_score"] for row in of_split.json()["predictions"]] == pytest.approx([1020, 2007])
    assert of_csv.json() == of_split.json()


async def test_many_rows_are_scored_on_a_thread_alike(register, send) -> None:
    await register()
    many = {"columns": NAMES, "data": ARRAYS * 5000}
    assert (await send({"dataframe_split": many})).json() == {"predictions": SCORED * 5000}
    lines = FILES["csv"].splitlines(keepends=True)
    assert (await send(lines[0] + b"".join(lines[1:]) * 5000, CSV)).json() == {"predictions": SCORED * 5000}


def test_one_long_number_takes_no_room_in_the_other_rows() -> None:
    body = b"age\n0." + b"1" * 50_000 + b"\n" + b"1\n" * 2_000
    tracemalloc.start()
    rows = read_csv(body, 10_000, asked=Asked()).rows_of(Columns([InputColumn(name="age")]))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (rows.n_rows, rows.numeric[0, 0]) == (2_001, pytest.approx(1 / 9))
    assert peak_bytes < 4_000_000


def split(**more: Any) -> bytes:
    return json.dumps({"dataframe_split": {"columns": NAMES, "data": ARRAYS} | more}).encode()


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "no-json": b"{inputs: [[1,2,3]]}",
    "cut-off": b'{"inputs": [[1,2,3]',
    "not-utf-8": b'{"inputs": [["\xff", 2, 3]]}',
    "null": b"null",
    "array": b"[[1,2,3]]",
    "no-form": b'{"rows": [[1,2,3]]}',
    "two-forms": b'{"inputs": [[1,2,3]], "instances": [[1,2,3]]}',
    "form-twice": b'{"inputs": [[1,2,3]], "inputs": [[1,2,3]]}',
    "inputs-null": b'{"inputs": null}',
    "inputs-number": b'{"inputs": 1}',
    "inputs-empty": b'{"inputs": []}',
    "inputs-no-columns": b'{"inputs": {}}',
    "columns-of-other-lengths": b'{"inputs": {"age": [1, 2], "tsh": [1], "t3": [1, 2]}}',
    "column-and-value": b'{"inputs": {"age": [1], "tsh": 1, "t3": [1]}}',
    "columns-empty": b'{"inputs": {"age": [], "tsh": [], "t3": []}}',
    "columns-of-objects": b'{"inputs": {"age": [{}], "tsh": [[]], "t3": [1]}}',
    "column-unknown": b'{"inputs": {"age": [1], "tsh": [1], "t3": [1], "x": [1]}}',
    "column-missing": b'{"inputs": {"age": [1], "tsh": [1]}}',
    "column-twice": b'{"inputs": {"age": [1], "age": [1], "tsh": [1], "t3": [1]}}',
    "instances-null": b'{"instances": null}',
    "row-null": b'{"instances": [null]}',
    "row-short": b'{"instances": [[1, 2]]}',
    "records-of-arrays": b'{"dataframe_records": [[1, 2, 3]]}',
    "records-object": b'{"dataframe_records": {"age": 1}}',
    "records-lack": b'{"dataframe_records": [{"age": 1, "tsh": 2}]}',
    "split-null": b'{"dataframe_split": null}',
    "split-array": b'{"dataframe_split": [[1, 2, 3]]}',
    "split-without-data": b'{"dataframe_split": {"columns": ["age"]}}',
    "split-of-no-rows": split(data=[]),
    "split-of-ragged-rows": split(data=[[1, 2, 3], [1, 2]]),
    "split-of-numbers": split(data=[1, 2, 3]),
    "split-with-a-column-twice": split(columns=["age", "age", "t3"]),
    "split-with-columns-of-numbers": split(columns=[0, 1, 2]),
    "split-with-unknown-columns": split(columns=["a", "b", "c"]),
    "split-with-fewer-columns": split(columns=["age", "tsh"]),
    "params-array": b'{"inputs": [[1, 2, 3]], "params": []}',
    "params-unknown": b'{"inputs": [[1, 2, 3]], "params": {"temperature": 0.5}}',
    "params-of-another-type": b'{"inputs": [[1, 2, 3]], "params": {"version": 1}}',
    "params-flag-of-text": b'{"inputs": [[1, 2, 3]], "params": {"return_confidence": "yes"}}',
    "text": b'{"inputs": [["high", 2, 3]]}',
    "missing": b'{"inputs": [[null, 2, 3]]}',
    "nan": b'{"inputs": [[NaN, 2, 3]]}',
    "overflow": b'{"inputs": [[1e999, 2, 3]]}',
    "overflowing-score": b'{"inputs": [[1e308, 1e308, 1e308]]}',
    "integer-of-5000-digits": b'{"inputs": [[' + b"9" * 5000 + b", 2, 3]]}",
    "deep": b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "half-a-character": b'{"inputs": {"\\ud800": [1], "tsh": [1], "t3": [1]}}',
}
HOSTILE_CSV: dict[str, bytes] = {
    "nothing": b"",
    "names-alone": b"t3,age,tsh\n",
    "names-twice": b"t3,age,age\n1,2,3\n",
    "unknown-column": b"t3,age,tsh,x\n1,2,3,4\n",
    "missing-column": b"t3,age\n1,2\n",
    "ragged": b"t3,age,tsh\n1,2,3\n1,2\n",
    "no-number": b"t3,age,tsh\n1,2,high\n",
    "missing": b"t3,age,tsh\n1,2,\n",
    "infinite": b"t3,age,tsh\n1,2,inf\n",
    "overflow": b"t3,age,tsh\n1,2,1e999\n",
    "underscored": b"t3,age,tsh\n1,2,1_000\n",
    "not-utf-8": b"t3,age,tsh\n1,2,\xff\n",
    "utf-16": "t3,age,tsh\n1,2,3\n".encode("utf-16"),
    "open-quote": b't3,age,tsh\n1,2,"3\n',
    "quote-inside": b't3,age,tsh\n1,2,"3"4\n',
    "nul": b"t3,age,tsh\n1,2,\0\n",
    "huge-field": b"t3,age,tsh\n1,2," + b"9" * 200_000 + b"\n",
    "commas": b"," * 200_000,
    "json": b'{"inputs": [[1, 2, 3]]}',
}


@pytest.mark.parametrize(
    "content_type",
    ["", "application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-16", "text/csv; header=no"],
)
async def test_another_kind_of_body_is_refused(register, send, content_type: str) -> None:
    await register()
    assert_refused(await send({"inputs": IN_ORDER}, {"content-type": content_type}), 415, "BAD_REQUEST")


async def test_what_does_not_exist_is_not_found(client, register, send) -> None:
    await register()
    assert_refused(await send({"inputs": IN_ORDER}, query="&version=9"), 404, "RESOURCE_DOES_NOT_EXIST")
    assert_refused(await client.post("/invocations?model_id=nobody", json={"inputs": [[1]]}), 404)
    assert_refused(await client.get("/invocations"), 405, "BAD_REQUEST")


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "instances-as-objects", "inputs-by-column"])
async def test_a_wrong_value_is_named_by_row_and_column(register, send, form: str) -> None:
    await register()
    body = json.dumps(FORMS[form]).replace("1.0", '"high"')
    assert ".t3" in assert_refused(await send(body.encode()), 400)


async def test_too_many_rows_and_too_large_a_body_are_refused(make_app, make_client, register_at, name) -> None:
    async with make_client(make_app(max_detection_batch_size=1, max_request_size_mb=1)) as client:
        await register_at(client)
        url = f"/invocations?model_id={name}"
        assert_refused(await client.post(url, json={"inputs": IN_ORDER}), 413)
        assert_refused(await client.post(url, content=FILES["csv"], headers=CSV), 413)
        assert_refused(await client.post(url, content=b" " * 2 * 2**20, headers=CSV), 413)


async def test_hostile_bodies_are_refused_in_the_protocols_form_and_leave_the_server_serving(
    app: FastAPI, register, name
) -> None:
    await register()
    url = f"/invocations?model_id={name}"
    async with served(app, lifespan="off") as base_url, httpx.AsyncClient(base_url=base_url, timeout=60) as client:
        for bodies, headers in ((HOSTILE, JSON), (HOSTILE_CSV, CSV)):
            for what, body in bodies.items():
                assert_refused(await client.post(url, content=body, headers=headers), 400, "BAD_REQUEST", what)
        assert (await client.post(url, json={"inputs": IN_ORDER})).json() == {"predictions": SCORED}


def assert_refused(answer: httpx.Response, status: int, code: str | None = None, what: str = "") -> str:
    """In MLflow's form; gives the message."""
    error: dict[str, str] = answer.json()
    assert (what, answer.status_code, list(error)) == (what, status, ["error_code", "message"])
    assert code is None or error["error_code"] == code
    assert 0 < len(error["message"]) < 3000
    return error["message"]
