"""What POST /api/v1/predict and /predict/batch refuse, and how they say so."""

import json

import pytest

JSON = {"content-type": "application/json"}
BATCH = "/api/v1/predict/batch"


@pytest.mark.parametrize(
    ("row", "field", "message"),
    [
        ('{"age": 1, "tsh": 2}', "t3", "missing"),
        ('{"age": 1, "tsh": 2, "t3": 3, "ft4": 4}', "ft4", "unknown feature"),
        ('{"age": 1, "tsh": 2, "t3": "3"}', "t3", "not a finite number"),
        ('{"age": 1, "tsh": 2, "t3": true}', "t3", "not a finite number"),
        ('{"age": 1, "tsh": 2, "t3": [3]}', "t3", "not a finite number"),
        ('{"age": 1, "tsh": 2, "t3": null}', "t3", "a value is missing"),
        ('{"age": 1, "tsh": 2, "t3": NaN}', "t3", "not a finite number"),
        ('{"age": 1, "tsh": 2, "t3": -Infinity}', "t3", "not a finite number"),
        ('{"age": 1, "tsh": 2, "t3": 1e400}', "t3", "not a finite number"),
        ('{"age": 1, "tsh": 2, "t3": ' + "9" * 5000 + "}", "t3", "not a finite number"),
        ('[1, 2, "3"]', "2", "not a finite number"),
        ('{"age": 1, "tsh": 2, "t3": 3, "\\ud800": 4}', "?", "unknown feature"),
    ],
)
async def test_a_wrong_feature_is_named(*, client, register, name, row: str, field: str, message: str) -> None:
    await register()
    one = await client.post("/api/v1/predict", content=f'{{"data": {row}, "model_id": "{name}"}}', headers=JSON)
    assert (one.status_code, one.json()["type"]) == (422, "/problems/validation")
    assert [item["field"] for item in one.json()["errors"]] == [f"body.data.{field}"]
    assert message in one.json()["errors"][0]["message"]
    rows = f'{{"data": [[1, 2, 3], {row}], "model_id": "{name}"}}'
    many = await client.post(BATCH, content=rows, headers=JSON)
    assert [item["field"] for item in many.json()["errors"]] == [f"body.data.1.{field}"]


async def test_every_wrong_feature_of_a_batch_is_named_up_to_fifty(client, register, name) -> None:
    await register()
    rows = [{"age": None, "tsh": "x", "t3": 1, "extra": 0}] * 30
    answer = await client.post(BATCH, json={"data": rows, "model_id": name})
    fields = [item["field"] for item in answer.json()["errors"]]
    assert (answer.status_code, len(fields)) == (422, 50)
    assert fields[:4] == ["body.data.0.age", "body.data.0.tsh", "body.data.0.extra", "body.data.1.age"]


async def test_an_array_of_another_length_is_told_the_length_and_the_order(register, predict) -> None:
    await register()
    answer = await predict([1, 2])
    assert answer.status_code == 422
    assert "3 values are expected, in the order age, tsh, t3; got 2" in answer.json()["detail"]


async def test_a_batch_sent_as_one_row_is_told_where_batches_go(register, predict) -> None:
    await register()
    answer = await predict([[1, 2, 3]])
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.data")
    assert BATCH in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ('{"model_id": "m"}', 422, "body.data"),
        ('{"data": [1], "modle": "m"}', 422, "body.modle"),
        ('{"data": [1], "model_id": ""}', 422, "body.model_id"),
        ('{"data": [1], "model_id": 7}', 422, "body.model_id"),
        ('{"data": [1], "model_id": "\\ud800"}', 422, "body.model_id"),
        ('{"data": [1], "return_confidence": 1}', 422, "body.return_confidence"),
        ('{"data": [1], "return_explanation": true}', 422, "body.return_explanation"),
        ('{"data": [1], "data": [1]}', 422, "body"),
        ('{"data": {"age": 1, "age": 2}}', 422, "body"),
        ("[]", 422, "body"),
        ("null", 422, "body"),
        ('{"data": [1], "model_id": ' + "[" * 900 + "]" * 900 + "}", 422, "body.model_id"),
    ],
)
async def test_a_wrong_field_is_named(client, body: str, status: int, field: str) -> None:
    answer = await client.post("/api/v1/predict", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"data": [1]} x',
        b'{"data": [1,]}',
        b'{"data": {"\xff": 1}}',
        '{"data": [1]}'.encode("utf-16"),
        b'{"data": ' + b"[" * 100_000,
        b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"data": ' + b'{"a":' * 100_000,
        b'{"data": 1\x00}',
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/predict", BATCH])
async def test_a_body_that_is_no_json_is_malformed(client, path: str, body: bytes) -> None:
    answer = await client.post(path, content=body, headers=JSON)
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/malformed-body")


@pytest.mark.parametrize("path", ["/api/v1/predict", BATCH])
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_another_content_type_is_refused(client, path: str, content_type: str) -> None:
    answer = await client.post(path, content=b"{}", headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported-media-type")


async def test_json_with_a_charset_is_json(register, client, name) -> None:
    await register()
    body = json.dumps({"data": [1, 2, 3], "model_id": name})
    answer = await client.post(
        "/api/v1/predict", content=body, headers={"content-type": "Application/JSON; charset=utf-8"}
    )
    assert answer.status_code == 200


async def test_explanations_are_not_offered_yet(register, predict) -> None:
    await register()
    answer = await predict(return_explanation=True)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/not-offered")
    assert answer.json()["errors"][0]["field"] == "body.return_explanation"


async def test_an_empty_batch_is_refused(client) -> None:
    answer = await client.post(BATCH, json={"data": []})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.data")


@pytest.mark.parametrize("data", ["7", "{}", '"rows"', "null"])
async def test_rows_that_are_no_list_are_refused(client, data: str) -> None:
    answer = await client.post(BATCH, content=f'{{"data": {data}}}', headers=JSON)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.data")


async def test_a_row_that_is_neither_object_nor_array_is_named(client, register, name) -> None:
    await register()
    answer = await client.post(BATCH, json={"data": [[1, 2, 3], 7], "model_id": name})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "body.data.1")


async def test_too_many_rows_are_refused(make_app, make_client) -> None:
    async with make_client(make_app(max_detection_batch_size=3)) as client:
        answer = await client.post(BATCH, json={"data": [[1]] * 4})
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/too-many-rows")
    assert answer.json()["max_rows"] == 3


async def test_a_body_over_the_cap_is_refused(make_app, make_client) -> None:
    async with make_client(make_app(max_request_size_mb=1)) as client:
        answer = await client.post("/api/v1/predict", content=b" " * 1_100_000, headers=JSON)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


@pytest.mark.parametrize("model_id", ["nobody", "11b7c4b9-27df-44d0-8354-a2560f9a75a8", "a:b", "\x00", "ü"])
async def test_an_unknown_model_is_not_found(predict, model_id: str) -> None:
    answer = await predict(model_id=model_id)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
    (error,) = answer.json()["errors"]
    assert (error["field"], error["value"]) == ("model_id", model_id)


async def test_an_unknown_version_is_named(register, predict) -> None:
    await register()
    answer = await predict(version="7")
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["field"], error["value"]) == (404, "version", "7")


async def test_finite_numbers_beyond_the_models_arithmetic_have_no_score(client, register, name) -> None:
    await register()
    rows = [[1, 2, 3], [1.7e308, 1.7e308, 0]]
    answer = await client.post(BATCH, json={"data": rows, "model_id": name})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/score-not-finite")
    assert answer.json()["errors"][0]["field"] == "body.data.1"


async def test_one_row_without_a_score_is_named_as_it_was_sent(register, predict) -> None:
    await register()
    answer = await predict([1.7e308, 1.7e308, 0])
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/score-not-finite")
    assert [error["field"] for error in answer.json()["errors"]] == ["body.data"]
