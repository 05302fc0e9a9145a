"""The Open Inference Protocol over REST."""

import json
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import numpy as np
import pytest

OCTETS = {"content-type": "application/octet-stream"}
LENGTH = "inference-header-content-length"
Infer = Callable[..., Awaitable[httpx.Response]]


def rows(*values: list[float], name: str = "rows", datatype: str = "FP64") -> dict[str, Any]:
    shape = [len(values), len(values[0])]
    return {"name": name, "datatype": datatype, "shape": shape, "data": [item for row in values for item in row]}


def column(name: str, data: list[Any], datatype: str = "FP64") -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


def outputs_of(answer: httpx.Response) -> dict[str, list[Any]]:
    assert answer.status_code == 200, answer.text
    return {output["name"]: output["data"] for output in answer.json()["outputs"]}


@pytest.fixture
def infer(client: httpx.AsyncClient, name: str) -> Infer:
    """Sends inputs to this test's model."""

    async def inferred(*inputs: dict[str, Any], path: str = "", **more: Any) -> httpx.Response:
        return await client.post(f"/v2/models/{name}{path}/infer", json={"inputs": list(inputs), **more})

    return inferred


@pytest.fixture
def infer_binary(client: httpx.AsyncClient, name: str) -> Infer:
    """Sends a JSON header and what follows it to this test's model."""

    async def inferred(header: dict[str, Any], *parts: bytes, n_json: int | None = None) -> httpx.Response:
        document = json.dumps(header).encode()
        headers = OCTETS | {LENGTH: str(len(document) if n_json is None else n_json)}
        return await client.post(f"/v2/models/{name}/infer", content=document + b"".join(parts), headers=headers)

    return inferred


def binary(name: str, datatype: str, shape: list[int], size: int) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}}


async def test_the_server_tells_of_itself(client) -> None:
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert (await client.get("/v2/health/ready")).json() == {"ready": True}
    about = (await client.get("/v2")).json()
    assert (about["name"], about["version"]) == ("pynomaly", "0.1.0")
    assert set(about["extensions"]) == {"binary_tensor_data", "model_repository"}


async def test_a_models_columns_are_its_inputs(client, register, name, mixed) -> None:
    await register(**mixed)
    await register(**mixed)
    about = (await client.get(f"/v2/models/{name}")).json()
    assert (about["name"], about["versions"], about["platform"]) == (name, ["1", "2"], "onnx_onnxv1")
    assert [(item["name"], item["datatype"]) for item in about["inputs"]] == [
        ("age", "FP64"),
        ("city", "BYTES"),
        ("smokes", "BOOL"),
        ("born", "FP64"),
        ("seen", "FP64"),
    ]
    assert [(item["name"], item["datatype"]) for item in about["outputs"]] == [
        ("raw_score", "FP64"),
        ("prediction", "FP64"),
        ("is_anomaly", "BOOL"),
        ("confidence", "FP64"),
    ]
    assert {tuple(item["shape"]) for item in about["inputs"] + about["outputs"]} == {(-1,)}
    assert (await client.get(f"/v2/models/{name}/versions/1")).json() == about


async def test_a_model_is_ready_when_an_inference_would_be_answered(client, register, name) -> None:
    missing = await client.get(f"/v2/models/{name}/ready")
    assert (missing.status_code, list(missing.json())) == (404, ["error"])
    await register()
    assert (await client.get(f"/v2/models/{name}/ready")).json() == {"name": name, "ready": True}
    assert (await client.get(f"/v2/models/{name}/versions/1/ready")).json() == {"name": name, "ready": True}
    assert (await client.get(f"/v2/models/{name}/versions/2/ready")).status_code == 404


async def test_a_model_that_fits_no_memory_is_not_ready(make_app, make_client, register_at, name) -> None:
    async with make_client(make_app(model_cache_bytes=1)) as client:
        await register_at(client)
        answer = await client.get(f"/v2/models/{name}/ready")
        refused = await client.post(f"/v2/models/{name}/infer", json={"inputs": [rows([1, 2, 3])]})
    assert (answer.status_code, answer.json()) == (503, {"name": name, "ready": False})
    assert (refused.status_code, list(refused.json())) == (507, ["error"])


@pytest.mark.parametrize("tensor_name", ["rows", "input-0", "predict", "age"])
@pytest.mark.parametrize("datatype", ["FP64", "FP32", "INT64", "UINT8"])
async def test_one_tensor_of_all_columns_may_have_any_name(register, infer, tensor_name: str, datatype: str) -> None:
    await register()
    found = outputs_of(await infer(rows([1, 2, 3], [0, 0, 1], name=tensor_name, datatype=datatype)))
    assert found == {
        "raw_score": [6.0, 1.0],
        "prediction": [pytest.approx(0.99752737), pytest.approx(0.73105857)],
        "is_anomaly": [True, False],
    }


async def test_an_answer_names_the_version_the_id_and_the_threshold(register, infer, name) -> None:
    await register()
    answer = (await infer(rows([1, 2, 3]), id="abc", parameters={"custom": {"deep": [1]}})).json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == (name, "1", "abc")
    assert answer["parameters"] == {"threshold": 1.0}
    assert answer["outputs"][2] == {"name": "is_anomaly", "datatype": "BOOL", "shape": [1], "data": [True]}
    assert "id" not in (await infer(rows([1, 2, 3]))).json()


async def test_a_version_is_chosen_by_the_path(register, infer) -> None:
    await register(1.0)
    await register(2.0)
    assert outputs_of(await infer(rows([1, 2, 3]), path="/versions/1"))["raw_score"] == [6.0]
    assert outputs_of(await infer(rows([1, 2, 3]), path="/versions/2"))["raw_score"] == [12.0]
    assert outputs_of(await infer(rows([1, 2, 3])))["raw_score"] == [12.0]
    assert (await infer(rows([1, 2, 3]), path="/versions/3")).status_code == 404


async def test_a_tensor_per_column_may_come_in_any_order_and_shape(register, infer) -> None:
    await register()
    tall = {"name": "tsh", "datatype": "INT32", "shape": [2, 1], "data": [[10], [20]]}
    found = outputs_of(await infer(column("t3", [0.5, 0.25]), tall, column("age", [100, 200], "UINT16")))
    assert found["raw_score"] == [110.5, 220.25]


async def test_elements_may_be_nested(register, infer) -> None:
    await register()
    nested = {"name": "x", "datatype": "FP64", "shape": [2, 3], "data": [[1, 2, 3], [4, 5, 6]]}
    assert outputs_of(await infer(nested))["raw_score"] == [6.0, 15.0]


async def test_outputs_are_those_that_are_asked_for_in_that_order(register, infer) -> None:
    await register()
    wanted = [{"name": "confidence"}, {"name": "raw_score", "parameters": {"binary_data": False}}]
    found = outputs_of(await infer(rows([1, 1, 1]), outputs=wanted))
    assert list(found) == ["confidence", "raw_score"]
    assert found["confidence"] == [pytest.approx(0.47628706)]


async def test_a_parameter_adds_the_confidence(register, infer) -> None:
    await register()
    found = outputs_of(await infer(rows([1, 1, 1]), parameters={"confidence": True}))
    assert list(found) == ["raw_score", "prediction", "is_anomaly", "confidence"]


async def test_a_mixed_model_takes_a_tensor_per_column(register, infer, mixed) -> None:
    await register(**mixed)
    answer = await infer(
        column("age", [1.0, None]),
        column("city", ["Oslo", "Rome"], "BYTES"),
        column("smokes", [True, False], "BOOL"),
        column("born", ["1970-01-03", "1970-01-02"], "BYTES"),
        column("seen", [86_400.0, 0.0]),
    )
    assert len(outputs_of(answer)["raw_score"]) == 2


async def test_a_mixed_model_takes_a_numeric_and_a_text_tensor(register, infer, mixed) -> None:
    await register(**mixed)
    numeric = rows([1.0, 1, 0, 86_400.0], [2.0, 0, 86_400.0, 0], name="numeric")
    text = {"name": "text", "datatype": "BYTES", "shape": [2, 1], "data": ["Oslo", "Rome"]}
    halves = outputs_of(await infer(text, numeric))
    columns = outputs_of(
        await infer(
            column("age", [1.0, 2.0]),
            column("city", ["Oslo", "Rome"], "BYTES"),
            column("smokes", [True, False], "BOOL"),
            column("born", [0.0, 86_400.0]),
            column("seen", [86_400.0, 0.0]),
        )
    )
    assert halves == columns


async def test_binary_tensors_are_taken_and_given(register, infer_binary) -> None:
    await register()
    matrix = np.array([[1, 2, 3], [0, 0, 1]], np.float64)
    header = {
        "id": "7",
        "inputs": [binary("rows", "FP64", [2, 3], 48)],
        "parameters": {"binary_data_output": True},
    }
    answer = await infer_binary(header, matrix.tobytes())
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    n_json = int(answer.headers[LENGTH])
    about, rest = json.loads(answer.content[:n_json]), answer.content[n_json:]
    assert [output["parameters"]["binary_data_size"] for output in about["outputs"]] == [16, 16, 2]
    assert about["id"] == "7"
    assert np.frombuffer(rest[:16]).tolist() == [6.0, 1.0]
    assert np.frombuffer(rest[32:], np.bool_).tolist() == [True, False]


async def test_each_output_may_be_binary_or_not(register, infer) -> None:
    await register()
    wanted = [{"name": "raw_score", "parameters": {"binary_data": True}}, {"name": "is_anomaly"}]
    answer = await infer(rows([1, 2, 3]), outputs=wanted)
    n_json = int(answer.headers[LENGTH])
    first, second = json.loads(answer.content[:n_json])["outputs"]
    assert (first["parameters"], "data" in first, second["data"]) == ({"binary_data_size": 8}, False, [True])
    assert struct.unpack("<d", answer.content[n_json:]) == (6.0,)


@pytest.mark.parametrize("padding", range(8))
async def test_binary_and_json_inputs_mix_and_begin_anywhere(register, infer_binary, padding: int) -> None:
    await register()
    header = {
        "id": "x" * padding,
        "inputs": [
            binary("t3", "FP32", [2], 8),
            column("tsh", [10, 20], "INT8"),
            binary("age", "FP64", [2, 1], 16),
        ],
    }
    answer = await infer_binary(header, np.array([0.5, 0.25], np.float32).tobytes(), np.array([1.0, 2.0]).tobytes())
    assert outputs_of(answer)["raw_score"] == [11.5, 22.25]


async def test_texts_may_be_binary(register, infer_binary, mixed) -> None:
    await register(**mixed)
    texts = b"".join(struct.pack("<I", len(text)) + text for text in (b"Oslo", b"Rome"))
    numeric = np.array([[1.0, 1, 0, 0], [2.0, 0, 0, 0]])
    header = {"inputs": [binary("text", "BYTES", [2, 1], 16), binary("numeric", "FP64", [2, 4], 64)]}
    assert len(outputs_of(await infer_binary(header, texts, numeric.tobytes()))["raw_score"]) == 2


async def test_a_large_binary_batch_is_scored_on_the_threads(register, infer_binary) -> None:
    await register()
    matrix = np.arange(60_000, dtype=np.float64).reshape(20_000, 3)
    header = {"inputs": [binary("rows", "FP64", [20_000, 3], matrix.nbytes)], "outputs": [{"name": "raw_score"}]}
    assert outputs_of(await infer_binary(header, matrix.tobytes()))["raw_score"] == matrix.sum(axis=1).tolist()


async def test_clients_that_name_the_model_in_the_body_or_send_nulls_are_understood(register, infer, name) -> None:
    await register()
    given = rows([1, 2, 3]) | {"parameters": None}
    answer = await infer(given, id=None, parameters=None, outputs=None, model_name=name, extension={"a": 1})
    assert outputs_of(answer)["raw_score"] == [6.0]


@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "Application/JSON; charset=utf-8"])
async def test_json_may_come_under_the_types_that_clients_say(register, client, name, content_type: str | None) -> None:
    await register()
    body = json.dumps({"inputs": [rows([1, 2, 3])]}).encode()
    headers = {} if content_type is None else {"content-type": content_type}
    assert outputs_of(await client.post(f"/v2/models/{name}/infer", content=body, headers=headers))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/json", "content-encoding": "gzip"}, 415),
        ({"content-type": "application/json", "x-request-deadline-ms": "0"}, 504),
        ({"content-type": "application/json", "x-request-deadline-ms": "x"}, 400),
    ],
)
async def test_headers_that_are_refused(register, client, name, headers: dict[str, str], status: int) -> None:
    await register()
    answer = await client.post(f"/v2/models/{name}/infer", content=b"{}", headers=headers)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models/nobody", 404),
        ("POST", "/v2/models/nobody/infer", 400),
        ("GET", "/v2/models/nobody/infer", 405),
        ("POST", "/v2/repository/models/nobody/load", 404),
        ("POST", "/v2/repository/models/nobody/unload", 404),
    ],
)
async def test_every_error_has_the_protocols_form(client, method: str, path: str, status: int) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


async def test_an_unknown_model_is_a_404(client) -> None:
    answer = await client.post("/v2/models/nobody/infer", json={"inputs": [rows([1, 2, 3])]})
    assert (answer.status_code, answer.json()) == (404, {"error": "there is no model 'nobody'"})


async def test_a_body_over_the_cap_is_refused(make_app, make_client) -> None:
    async with make_client(make_app(max_request_size_mb=1)) as client:
        answer = await client.post("/v2/models/m/infer", content=bytes(1_100_000), headers=OCTETS)
    assert (answer.status_code, list(answer.json())) == (413, ["error"])


async def test_too_many_rows_are_refused_before_any_is_read(make_app, make_client, register_at, name) -> None:
    async with make_client(make_app(max_detection_batch_size=3)) as client:
        await register_at(client)
        huge = {"name": "rows", "datatype": "FP64", "shape": [4, 3], "data": []}
        answer = await client.post(f"/v2/models/{name}/infer", json={"inputs": [huge]})
    assert (answer.status_code, answer.json()["error"]) == (413, "4 rows; send at most 3 at a time")


async def test_the_repository_is_indexed_loaded_and_unloaded(client, register, name, numbers) -> None:
    await register()
    await register(2.0)

    async def states(**query: Any) -> list[tuple[str, str]]:
        index = (await client.post("/v2/repository/index", json=query)).json()
        return [(item["version"], item["state"]) for item in index if item["name"] == name]

    assert (await client.post(f"/v2/repository/models/{name}/unload")).status_code == 200
    assert await states() == [("1", "UNAVAILABLE"), ("2", "UNAVAILABLE")]
    assert await states(ready=True) == []
    assert (await client.post(f"/v2/repository/models/{name}/load", content=b"")).status_code == 200
    assert await states(ready=False) == [("1", "UNAVAILABLE"), ("2", "READY")]
    assert await states(ready=True) == [("2", "READY")]
    unload = {"parameters": {"unload_dependents": False}}
    assert (await client.post(f"/v2/repository/models/{name}/unload", json=unload)).status_code == 200
    assert await states(ready=True) == []


async def test_a_model_is_loaded_as_it_was_signed(client, register, name) -> None:
    await register()
    given = {"parameters": {"config": "{}"}}
    answer = await client.post(f"/v2/repository/models/{name}/load", json=given)
    assert (answer.status_code, "as it was signed" in answer.json()["error"]) == (400, True)


async def test_an_index_request_that_makes_no_sense_is_refused(client) -> None:
    answer = await client.post("/v2/repository/index", json={"ready": "perhaps"})
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


async def test_without_the_database_the_server_is_not_ready(make_app, make_client) -> None:
    away = "postgresql://nobody:secret@127.0.0.1:1/nothing"
    app = make_app(database_url=away)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
        answer = await client.get("/v2/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"ready": False})


async def test_what_is_scored_and_refused_is_counted(client, register, infer, name) -> None:
    await register()
    await infer(rows([1, 2, 3], [0, 0, 0]))
    await infer(rows([1, 2]))
    figures = (await client.get("/metrics")).text
    assert f'model_predictions_total{{model="{name}"}} 2.0' in figures
    assert f'model_prediction_duration_seconds_count{{model="{name}"}} 1.0' in figures
    assert 'model_errors_total{reason="validation"} 1.0' in figures
