"""What is to be in memory, and whether it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROW = [1.0, 2.0, 3.0]


@pytest.fixture
def path(name) -> str:
    return f"/api/v1/models/{name}"


def artefact_files(storage: Path) -> list[Path]:
    return list(storage.glob("default/models/*.zip"))


async def standing_of(client: Any, path: str, version: str = "1") -> dict[str, Any]:
    answer = await client.get(f"{path}/versions/{version}/serving")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_version_tells_what_is_wanted_and_what_is_so(client, register, path) -> None:
    version = await register()
    before = await standing_of(client, path)
    assert (before["desired"], before["state"], before["loaded_at"]) == ("on_demand", "absent", None)
    await client.post(f"{path}/load", json={})
    loaded = await standing_of(client, path)
    assert (loaded["desired"], loaded["state"], loaded["last_error"]) == ("loaded", "loaded", None)
    assert loaded["n_bytes"] > 0
    assert loaded["loaded_at"] > version["created_at"]
    assert (loaded["version"], loaded["replica"] != "") == ("1", True)
    await client.delete(f"{path}/unload")
    after = await standing_of(client, path)
    assert (after["desired"], after["state"]) == ("on_demand", "absent")


async def test_a_pin_outlives_an_unload_and_a_load_does_not(client, register, path) -> None:
    await register(1.0)
    await register(2.0)
    pinned = await client.put(f"{path}/versions/1/pin")
    assert (pinned.json()["version"], pinned.json()["loaded"]) == ("1", True)
    for version in ("1", "2"):
        await client.post(f"{path}/load", json={"version": version})
    assert (await standing_of(client, path, "1"))["desired"] == "pinned"
    await client.delete(f"{path}/unload")
    states = [await standing_of(client, path, version) for version in ("1", "2")]
    assert [(each["desired"], each["state"]) for each in states] == [("pinned", "loaded"), ("on_demand", "absent")]
    assert (await client.delete(f"{path}/versions/1/pin")).status_code == 204
    assert (await client.delete(f"{path}/versions/1/pin")).status_code == 204
    assert (await standing_of(client, path, "1"))["desired"] == "on_demand"
    await client.delete(f"{path}/unload")
    assert (await standing_of(client, path, "1"))["state"] == "absent"


async def test_an_unpinned_version_makes_room_for_others(make_app, make_client, register_at, path, name) -> None:
    async with make_client(make_app(model_cache_bytes=2_500_000)) as client:
        for slope in (1.0, 2.0):
            await register_at(client, slope, ballast_bytes=200_000)  # 1.5 MB in memory
        await client.put(f"{path}/versions/1/pin")
        body = {"data": ROW, "model_id": name, "version": "2"}
        assert (await client.post("/api/v1/predict", json=body)).status_code == 507
        assert (await standing_of(client, path, "2"))["last_error"]["type"] == "/problems/model-too-large"
        await client.delete(f"{path}/versions/1/pin")
        assert (await client.post("/api/v1/predict", json=body)).status_code == 200
        states = [await standing_of(client, path, version) for version in ("1", "2")]
        assert [each["state"] for each in states] == ["absent", "loaded"]
        assert states[1]["last_error"] is None


@pytest.mark.parametrize("wanted", ["load", "versions/1/pin"])
async def test_what_does_not_load_is_not_wanted_and_the_reason_is_told(
    client, register, path, tmp_path: Path, wanted: str
) -> None:
    await register()
    (file,) = artefact_files(tmp_path)
    file.rename(tmp_path / "elsewhere")
    answer = await client.request("POST" if wanted == "load" else "PUT", f"{path}/{wanted}", json={})
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/storage-unavailable")
    found = await standing_of(client, path)
    assert (found["desired"], found["state"]) == ("on_demand", "absent")
    assert found["last_error"]["type"] == "/problems/storage-unavailable"


async def test_what_does_not_load_is_tried_again_until_it_does(
    *, client, make_app, make_client, register, path, eventually: Callable[..., Any], tmp_path: Path
) -> None:
    await register()
    await client.post(f"{path}/load", json={})
    (file,) = artefact_files(tmp_path)
    file.rename(tmp_path / "elsewhere")

    async with make_client(make_app()) as other:

        async def has_failed() -> bool:
            return (await standing_of(other, path))["last_error"] is not None

        async def is_loaded() -> bool:
            return bool((await standing_of(other, path))["state"] == "loaded")

        await eventually(has_failed)
        (tmp_path / "elsewhere").rename(file)
        await eventually(is_loaded)
