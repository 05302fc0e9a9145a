"""Models and immutable versions."""

import asyncio
import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pynomaly_scoring import pack

ZIP = {"content-type": "application/zip"}


async def test_the_first_version_makes_the_model(client, register, name) -> None:
    version = await register()
    model = (await client.get(f"/api/v1/models/{name}")).json()
    assert (version["version"], version["model_id"]) == ("1", model["id"])
    assert (model["name"], model["latest_version"], model["aliases"]) == (name, "1", {})
    assert version["feature_names"] == ["age", "tsh", "t3"]


async def test_a_version_tells_the_figures_and_the_interval_of_the_threshold_that_its_manifest_has(register) -> None:
    told = {"metrics": {"roc_auc": 0.9, "intervals": {"roc_auc": [0.8, 0.95]}}, "threshold_interval": [0.5, 1.5]}
    version = await register(**told)
    assert {name: version[name] for name in told} == told
    version = await register(2.0)
    assert (version["metrics"], version["threshold_interval"]) == ({}, None)


async def test_concurrent_registrations_get_every_number_once(client, make_artefact, name) -> None:
    archives = [make_artefact(float(slope)) for slope in range(1, 9)]
    answers = await asyncio.gather(
        *(client.post(f"/api/v1/models/{name}/versions", content=archive, headers=ZIP) for archive in archives)
    )
    assert sorted(int(answer.json()["version"]) for answer in answers) == list(range(1, 9))
    listed = (await client.get(f"/api/v1/models/{name}/versions")).json()["items"]
    assert [item["version"] for item in listed] == [str(number) for number in range(8, 0, -1)]


async def test_registering_again_under_the_same_key_gives_the_same_version(client, make_artefact, name) -> None:
    headers = {**ZIP, "idempotency-key": str(uuid4())}
    first, second = [
        await client.post(f"/api/v1/models/{name}/versions", content=make_artefact(), headers=headers) for _ in range(2)
    ]
    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert first.headers["location"] == f"/api/v1/models/{first.json()['model_id']}/versions/1"
    assert (await client.get(f"/api/v1/models/{name}")).json()["latest_version"] == "1"


async def test_the_same_key_with_another_artefact_is_refused(client, make_artefact, name) -> None:
    headers = {**ZIP, "idempotency-key": str(uuid4())}
    await client.post(f"/api/v1/models/{name}/versions", content=make_artefact(1.0), headers=headers)
    answer = await client.post(f"/api/v1/models/{name}/versions", content=make_artefact(2.0), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/idempotency-key-reused")


def _tampered(archive: bytes) -> bytes:
    return archive.replace(b'"seed":0', b'"seed":1')


def _signed_by_half_a_character(archive: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as members:
        files = {name: members.read(name) for name in members.namelist()}
    bundle = json.loads(files["model.sig"])
    bundle["verificationMaterial"]["publicKey"]["hint"] = "\ud800"
    return pack({**files, "model.sig": json.dumps(bundle).encode()})


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda _: b"no zip at all, but long enough to be read as one", "archive-malformed"),
        (lambda archive: archive[: len(archive) // 2], "archive-malformed"),
        (_tampered, "digest-mismatch"),
        (_signed_by_half_a_character, "signature-malformed"),
    ],
)
async def test_bytes_that_are_no_whole_artefact_are_refused(client, make_artefact, name, spoil, reason) -> None:
    answer = await client.post(f"/api/v1/models/{name}/versions", content=spoil(make_artefact()), headers=ZIP)
    assert_refused(answer, reason)


async def test_an_artefact_signed_by_a_stranger_is_refused(client, make_artefact, name, stranger: Path) -> None:
    answer = await client.post(f"/api/v1/models/{name}/versions", content=make_artefact(key=stranger), headers=ZIP)
    assert_refused(answer, "key-unknown")


async def test_a_signed_graph_that_the_onnx_checker_refuses_is_refused(client, make_artefact, name, twisted) -> None:
    archive = make_artefact(model=twisted)
    answer = await client.post(f"/api/v1/models/{name}/versions", content=archive, headers=ZIP)
    assert_refused(answer, "onnx-checker")


async def test_a_signed_graph_that_scores_no_number_is_refused(client, make_artefact, name, endless) -> None:
    archive = make_artefact(model=endless)
    answer = await client.post(f"/api/v1/models/{name}/versions", content=archive, headers=ZIP)
    assert_refused(answer, "trial-score")


async def test_nothing_is_left_of_a_refused_artefact(client, name, tmp_path: Path) -> None:
    answer = await client.post(f"/api/v1/models/{name}/versions", content=b"junk" * 20, headers=ZIP)
    assert answer.status_code == 422
    assert stored_files(tmp_path) == []
    assert (await client.get(f"/api/v1/models/{name}")).status_code == 404


def stored_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def assert_refused(answer: httpx.Response, reason: str) -> None:
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["type"]) == (422, "/problems/artefact-refused")
    assert problem["reason"] == reason
    assert problem["errors"][0]["field"] == "body"


async def test_another_content_type_is_refused(client, make_artefact, name) -> None:
    headers = {"content-type": "application/octet-stream"}
    answer = await client.post(f"/api/v1/models/{name}/versions", content=make_artefact(), headers=headers)
    assert answer.status_code == 415


@pytest.mark.parametrize("declared", [True, False])
async def test_an_artefact_over_the_cap_is_refused(make_app, make_artefact, make_client, name, declared: bool) -> None:
    archive = make_artefact(ballast_bytes=20_000)

    async def pieces():
        yield archive[:9_000]
        yield archive[9_000:]

    async with make_client(make_app(max_artefact_size=10_000)) as client:
        content = archive if declared else pieces()
        answer = await client.post(f"/api/v1/models/{name}/versions", content=content, headers=ZIP)
    assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 10_000)


@pytest.mark.parametrize("bad", ["default", "latest", "a b", "-a", "11b7c4b9-27df-44d0-8354-a2560f9a75a8", "x" * 129])
async def test_a_name_that_cannot_be_a_models_is_refused(client, make_artefact, bad: str) -> None:
    answer = await client.post(f"/api/v1/models/{bad}/versions", content=make_artefact(), headers=ZIP)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "path.model")


async def test_a_version_is_found_by_number_id_alias_and_latest(client, register, name) -> None:
    first, second = await register(1.0), await register(2.0)
    await client.put(f"/api/v1/models/{name}/aliases/champion", json={"version": "1"})
    wanted = {"1": first, first["id"]: first, "champion": first, "2": second, "latest": second}
    for reference, expected in wanted.items():
        answer = await client.get(f"/api/v1/models/{name}/versions/{reference}")
        assert answer.json() == expected


@pytest.mark.parametrize(
    "reference", ["3", "0", "99999999999999999999", "nobody", "11b7c4b9-27df-44d0-8354-a2560f9a75a8", "%00", "a%20b"]
)
async def test_an_unknown_version_is_not_found(client, register, name, reference: str) -> None:
    await register()
    answer = await client.get(f"/api/v1/models/{name}/versions/{reference}")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize(
    "reference", ["nobody", "11b7c4b9-27df-44d0-8354-a2560f9a75a8", "%00", "a%20b", "%F0%9F%98%80"]
)
async def test_an_unknown_model_is_not_found(client, reference: str) -> None:
    assert (await client.get(f"/api/v1/models/{reference}")).status_code == 404


async def test_the_artefact_comes_back_byte_for_byte_with_its_digest(client, register, make_artefact, name) -> None:
    await register(3.0)
    answer = await client.get(f"/api/v1/models/{name}/versions/1/artefact")
    assert answer.content == make_artefact(3.0)
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    again = await client.get(
        f"/api/v1/models/{name}/versions/1/artefact", headers={"if-none-match": answer.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_an_alias_moves_and_goes(client, register, name) -> None:
    await register(1.0)
    await register(2.0)
    await client.put(f"/api/v1/models/{name}/aliases/champion", json={"version": "1"})
    moved = await client.put(f"/api/v1/models/{name}/aliases/champion", json={"version": "latest"})
    assert moved.json()["aliases"] == {"champion": "2"}
    assert (await client.delete(f"/api/v1/models/{name}/aliases/champion")).status_code == 204
    assert (await client.delete(f"/api/v1/models/{name}/aliases/champion")).status_code == 404
    assert (await client.get(f"/api/v1/models/{name}")).json()["aliases"] == {}


@pytest.mark.parametrize("alias", ["7", "latest", "default", "a b"])
async def test_an_alias_that_could_be_taken_for_something_else_is_refused(client, register, name, alias) -> None:
    await register()
    answer = await client.put(f"/api/v1/models/{name}/aliases/{alias}", json={"version": "1"})
    assert answer.status_code == 422


async def test_a_deleted_model_is_gone_and_its_name_is_free(client, register, name) -> None:
    first = await register()
    assert (await client.delete(f"/api/v1/models/{name}")).status_code == 204
    assert (await client.get(f"/api/v1/models/{first['model_id']}")).status_code == 404
    again = await register()
    assert (again["version"], again["model_id"] != first["model_id"]) == ("1", True)


async def test_models_are_listed_newest_first_page_by_page(client, make_artefact, name) -> None:
    names = [f"{name}-{number}" for number in range(3)]
    for each in names:
        await client.post(f"/api/v1/models/{each}/versions", content=make_artefact(), headers=ZIP)
    first = (await client.get("/api/v1/models", params={"limit": 2})).json()
    second = (await client.get("/api/v1/models", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    listed = [item["name"] for item in (*first["items"], *second["items"])]
    assert listed[:3] == names[::-1]


async def test_a_model_is_loaded_and_unloaded_on_request(client, register, name) -> None:
    version = await register()
    loaded = (await client.post(f"/api/v1/models/{name}/load", json={})).json()
    assert (loaded["model_id"], loaded["version"], loaded["loaded"]) == (version["model_id"], "1", True)
    assert (await client.get("/health")).json()["loaded_models"] == 1
    assert (await client.delete(f"/api/v1/models/{name}/unload")).status_code == 204
    assert (await client.get("/health")).json()["loaded_models"] == 0
