"""What is served stays right while models move, break, come and go."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from pynomaly_suite.served import served

ROW = [1.0, 2.0, 3.0]


def artefact_files(storage: Path) -> list[Path]:
    return sorted(storage.glob("default/models/*.zip"))


async def test_two_hundred_first_predicts_load_the_model_once(client, register, predict, name) -> None:
    await register()
    answers = await asyncio.gather(*(predict(ROW) for _ in range(200)))
    assert {answer.status_code for answer in answers} == {200}
    assert f'model_load_duration_seconds_count{{model="{name}"}} 1.0' in (await client.get("/metrics")).text


async def test_a_new_latest_drops_no_request(register, predict) -> None:
    await register(1.0)
    await predict(ROW)
    swap = asyncio.create_task(register(2.0))
    answers = [await asyncio.gather(*(predict(ROW) for _ in range(20))) for _ in range(10)]
    await swap
    assert {answer.status_code for batch in answers for answer in batch} == {200}
    assert (await predict(ROW)).json()["raw_score"] == 12


async def test_another_replica_follows_a_new_latest_a_moved_alias_and_a_deletion(
    *, client, make_app, make_client, register, name, until
) -> None:
    await register(1.0)
    latest: dict[str, Any] = {"data": ROW, "model_id": name}
    aliased = {**latest, "version": "champion"}
    await client.put(f"/api/v1/models/{name}/aliases/champion", json={"version": "1"})
    async with make_client(make_app()) as other:
        await until(other, latest, lambda answer: answer.json()["model_version"] == "1")
        await until(other, aliased, lambda answer: answer.json()["model_version"] == "1")
        await register(2.0)
        await until(other, latest, lambda answer: answer.json()["model_version"] == "2")
        await client.put(f"/api/v1/models/{name}/aliases/champion", json={"version": "2"})
        await until(other, aliased, lambda answer: answer.json()["model_version"] == "2")
        await client.delete(f"/api/v1/models/{name}/aliases/champion")
        await client.delete(f"/api/v1/models/{name}")
        await until(other, latest, lambda answer: answer.status_code == 404)


async def test_a_load_and_an_unload_are_followed_by_every_replica(
    client, make_app, make_client, register, name
) -> None:
    await register()

    async def until_loaded(other: Any, n_models: int) -> None:
        async with asyncio.timeout(15):
            while (await other.get("/health")).json()["loaded_models"] != n_models:
                continue

    async with make_client(make_app()) as other:
        await client.post(f"/api/v1/models/{name}/load", json={"version": "1"})
        await until_loaded(other, 1)
        async with make_client(make_app()) as newcomer:
            await until_loaded(newcomer, 1)
        await client.delete(f"/api/v1/models/{name}/unload")
        await until_loaded(other, 0)


@pytest.mark.parametrize("valid", [True, False])
async def test_stored_bytes_that_were_exchanged_are_refused_at_load(
    register, predict, make_artefact, tmp_path: Path, valid: bool
) -> None:
    await register(1.0)
    (file,) = artefact_files(tmp_path)
    file.write_bytes(make_artefact(2.0) if valid else file.read_bytes().replace(b'"seed":0', b'"seed":1'))
    answer = await predict(ROW)
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/artefact-untrusted")
    assert answer.json()["reason"] == "digest-mismatch"


async def test_an_artefact_whose_key_was_revoked_is_refused_at_load(
    *, make_app, make_client, register_at, keys: Path, stranger: Path, tmp_path: Path, name
) -> None:
    trusted = tmp_path / "trusted"
    shutil.copytree(keys / "trusted", trusted)
    async with make_client(make_app(trusted_keys_path=trusted)) as client:
        await register_at(client)
        shutil.copy(stranger.parent / "public.pem", trusted / "key.pem")
        answer = await client.post("/api/v1/predict", json={"data": ROW, "model_id": name})
    assert (answer.status_code, answer.json()["reason"]) == (500, "key-unknown")


async def test_bytes_that_are_missing_make_the_service_unavailable(register, predict, tmp_path: Path) -> None:
    await register()
    artefact_files(tmp_path)[0].unlink()
    answer = await predict(ROW)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/storage-unavailable")
    assert answer.headers["retry-after"] == "2"


async def test_a_new_version_that_does_not_load_leaves_the_old_one_serving(register, predict, tmp_path: Path) -> None:
    await register(1.0)
    await predict(ROW)
    old = artefact_files(tmp_path)
    await register(2.0)
    (new,) = set(artefact_files(tmp_path)) - set(old)
    new.unlink()
    answer = await predict(ROW)
    assert (answer.status_code, answer.json()["model_version"]) == (200, "1")
    assert (await predict(ROW, version="2")).status_code == 503


async def test_models_beyond_the_memory_budget_take_turns(make_app, make_client, register_at, name) -> None:
    async with make_client(make_app(model_cache_bytes=4_000_000)) as client:
        for slope in (1.0, 2.0, 3.0):
            await register_at(client, slope, ballast_bytes=200_000)  # 1.5 MB in memory
        for _ in range(2):
            for version in ("1", "2", "3"):
                body = {"data": ROW, "model_id": name, "version": version}
                assert (await client.post("/api/v1/predict", json=body)).json()["raw_score"] == 6 * int(version)
        assert (await client.get("/health")).json()["loaded_models"] == 2


async def test_a_model_over_the_budget_says_which_setting_to_raise(make_app, make_client, register_at, name) -> None:
    async with make_client(make_app(model_cache_bytes=1000)) as client:
        await register_at(client)
        answer = await client.post("/api/v1/predict", json={"data": ROW, "model_id": name})
    assert (answer.status_code, answer.json()["type"]) == (507, "/problems/model-too-large")
    assert "MODEL_CACHE_BYTES" in answer.json()["detail"]


async def test_swapping_the_latest_under_load_over_real_sockets_drops_no_request(app, register, name) -> None:
    await register(1.0)
    body = {"data": ROW, "model_id": name}
    scores: list[float] = []
    swapped = asyncio.Event()

    async with served(app, lifespan="off") as url, httpx.AsyncClient(base_url=url, timeout=30) as http:

        async def ask_until_swapped() -> None:
            while not swapped.is_set():
                answer = await http.post("/api/v1/predict", json=body)
                assert answer.status_code == 200
                scores.append(answer.json()["raw_score"])

        asking = [asyncio.create_task(ask_until_swapped()) for _ in range(8)]
        for slope in (2.0, 3.0, 4.0, 5.0):
            await register(slope)
            await http.post("/api/v1/predict", json=body)
        swapped.set()
        await asyncio.gather(*asking)
        assert (await http.post("/api/v1/predict", json=body)).json()["raw_score"] == 30
    assert set(scores) <= {6, 12, 18, 24, 30}
    assert len(scores) > len(asking)


async def test_a_model_that_was_told_to_load_stays_while_others_come_and_go(
    make_app, make_client, register_at, name
) -> None:
    async with make_client(make_app(model_cache_bytes=4_000_000)) as client:
        for slope in (1.0, 2.0, 3.0):
            await register_at(client, slope, ballast_bytes=200_000)  # 1.5 MB in memory
        await client.post(f"/api/v1/models/{name}/load", json={"version": "1"})
        for version in ("2", "3", "2"):
            await client.post("/api/v1/predict", json={"data": ROW, "model_id": name, "version": version})
        loads = f'model_load_duration_seconds_count{{model="{name}"}}'
        assert f"{loads} 4.0" in (await client.get("/metrics")).text
        await client.post("/api/v1/predict", json={"data": ROW, "model_id": name, "version": "1"})
        assert f"{loads} 4.0" in (await client.get("/metrics")).text
