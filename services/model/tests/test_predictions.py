"""POST /api/v1/predict and /predict/batch."""

import math
from typing import Any

import pytest

JSON = {"content-type": "application/json"}
BATCH = "/api/v1/predict/batch"


def sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score))


async def test_one_row_is_scored(register, predict) -> None:
    version = await register(0.5)
    answer = await predict({"t3": 3, "age": 1.5, "tsh": -2})
    found = answer.json()
    assert (found["raw_score"], found["threshold"], found["is_anomaly"]) == (1.25, 1.0, True)
    assert found["prediction"] == pytest.approx(sigmoid(1.25))
    assert (found["model_id"], found["model_version"]) == (version["model_id"], "1")
    assert found["prediction_time"].endswith("Z")
    assert 0 < found["latency_ms"] < 10_000
    assert "confidence" not in found


async def test_an_object_and_an_array_in_the_declared_order_score_alike(register, predict) -> None:
    await register()
    named = (await predict({"t3": 0.25, "tsh": 4, "age": -1})).json()
    listed = (await predict([-1, 4, 0.25])).json()
    assert named["raw_score"] == listed["raw_score"] == 3.25


async def test_confidence_is_given_when_asked_for(register, predict, client, name) -> None:
    await register()
    assert (await predict([1, 1, 1], return_confidence=True)).json()["confidence"] == pytest.approx(sigmoid(3) / 2)
    rows = {"data": [[1, 1, 1]], "model_id": name, "return_confidence": True}
    batch = (await client.post(BATCH, json=rows)).json()
    assert batch["predictions"][0]["confidence"] == pytest.approx(sigmoid(3) / 2)


async def test_a_batch_keeps_the_order_of_its_rows(client, register, name) -> None:
    await register()
    rows: list[Any] = [[index, 0, 0] if index % 2 else {"age": index, "tsh": 0, "t3": 0} for index in range(5)]
    found = (await client.post(BATCH, json={"data": rows, "model_id": name, "batch_size": 2})).json()
    assert [item["raw_score"] for item in found["predictions"]] == [0, 1, 2, 3, 4]
    assert (found["total_processed"], found["total_anomalies"], found["model_version"]) == (5, 3, "1")
    assert found["processing_time_ms"] > 0
    assert found["throughput_per_second"] > 0


async def test_a_large_batch_goes_to_the_threads_and_scores_the_same(client, register, name) -> None:
    await register()
    rows = [[index / 7, 1.0, 2.0] for index in range(20_000)]
    found = (await client.post(BATCH, json={"data": rows, "model_id": name})).json()
    assert found["total_processed"] == 20_000
    assert found["predictions"][12_345]["raw_score"] == pytest.approx(12_345 / 7 + 3)


async def test_finite_scores_are_given_however_large_they_are(client, register, name) -> None:
    await register()
    rows = [[1.6e308, 0, 0]] * 2
    found = (await client.post(BATCH, json={"data": rows, "model_id": name})).json()
    assert [row["raw_score"] for row in found["predictions"]] == [1.6e308] * 2


async def test_a_version_can_be_asked_for_by_number_id_and_alias(client, register, predict, name) -> None:
    first = await register(1.0)
    await register(2.0)
    await client.put(f"/api/v1/models/{name}/aliases/old", json={"version": "1"})
    answers = [await predict(version=reference) for reference in ("1", first["id"], "old", "latest", None)]
    assert [answer.json()["model_version"] for answer in answers] == ["1", "1", "1", "2", "2"]


async def test_features_with_colons_in_their_names_are_scored_and_duplicates_found(client, register, name) -> None:
    await register(features=("a:b", "c"))
    body = f'{{"model_id": "{name}", "data": {{"a:b": 1, "c": 2}}}}'
    assert (await client.post("/api/v1/predict", content=body, headers=JSON)).json()["raw_score"] == 3
    twice = body.replace('"c": 2', '"a:b": 2, "c": 2')
    assert (await client.post("/api/v1/predict", content=twice, headers=JSON)).status_code == 422


async def test_a_model_of_one_feature_takes_objects(register, predict) -> None:
    await register(features=("only",))
    assert (await predict({"only": 2})).json()["raw_score"] == 2


async def test_without_a_default_predict_says_how_to_choose_one(make_app, make_client) -> None:
    async with make_client(make_app()) as client:
        await client.delete("/api/v1/models/default")
        answer = await client.post("/api/v1/predict", json={"data": [1, 2, 3]})
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/no-default-model")
    assert "PUT /api/v1/models/default" in answer.json()["detail"]


async def test_the_default_is_followed_replaced_and_removed(client, register, predict, name) -> None:
    first = await register(1.0)
    chosen = await client.put("/api/v1/models/default", json={"model_id": name})
    assert chosen.json() == {"model_id": first["model_id"], "model_name": name, "version": None}
    assert (await predict(model_id=None)).json()["model_version"] == "1"
    await register(2.0)
    assert (await predict(model_id=None)).json()["model_version"] == "2"
    assert (await predict(model_id="default")).json()["model_version"] == "2"
    assert (await client.get("/api/v1/models/default/versions/1")).json()["id"] == first["id"]
    await client.put("/api/v1/models/default", json={"model_id": first["model_id"], "version": "1"})
    assert (await predict(model_id=None)).json()["model_version"] == "1"
    assert (await client.get("/api/v1/models/default")).json()["version"] == "1"
    assert (await client.delete("/api/v1/models/default")).status_code == 204
    assert (await predict(model_id=None)).status_code == 409
    assert (await client.delete("/api/v1/models/default")).status_code == 409


async def test_a_default_that_is_removed_is_none_and_its_model_may_go(client, register, predict, name) -> None:
    await register()
    await client.put("/api/v1/models/default", json={"model_id": name})
    assert (await predict(model_id=None)).status_code == 200
    assert (await client.delete(f"/api/v1/models/{name}")).json()["holders"][0]["kind"] == "default"
    await client.delete("/api/v1/models/default")
    assert (await client.delete(f"/api/v1/models/{name}")).status_code == 204
    assert (await predict(model_id=None)).status_code == 409
    assert (await predict()).status_code == 404


async def test_what_was_scored_and_refused_is_counted(client, register, predict, name) -> None:
    await register()
    await predict([1, 2, 3])
    await client.post(BATCH, json={"data": [[0, 0, 0], [9, 9, 9]], "model_id": name})
    await predict([1])
    figures = (await client.get("/metrics")).text
    assert f'model_predictions_total{{model="{name}"}} 3.0' in figures
    assert f'pynomaly_anomaly_detections_total{{model="{name}"}} 2.0' in figures
    assert f'model_prediction_duration_seconds_count{{model="{name}"}} 2.0' in figures
    assert f'pynomaly_detection_duration_seconds_count{{model="{name}"}} 2.0' in figures
    assert f'model_load_duration_seconds_count{{model="{name}"}} 1.0' in figures
    assert 'model_errors_total{reason="validation"} 1.0' in figures
