"""An operator's word at the front door."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from gateway_service.settings import Settings
from pydantic import SecretStr
from pynomaly_contracts.admin import FLAGS_PATH, RELOAD_PATH
from pynomaly_suite.service_process import ServiceProcess

if TYPE_CHECKING:
    from conftest import Peer, RunGateway

TOKEN = "t" * 32
BEARER = {"authorization": f"Bearer {TOKEN}"}
RELOADED = {
    "service": "x",
    "generation": 2,
    "applied": [],
    "unchanged": [],
    "needs_restart": [],
    "overridden": [],
    "unknown": [],
    "replaced": [],
}
PATIENCE_S = 60.0


@pytest.fixture
async def guarded_door(
    settings: Settings, running: "RunGateway", monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    monkeypatch.setenv("DATABASE_URL", settings.database_url.get_secret_value())  # where a reload looks
    monkeypatch.setenv("ADMIN_TOKEN", TOKEN)
    async with running(settings.model_copy(update={"admin_token": SecretStr(TOKEN)})) as url:
        yield url


def outcomes(answer: dict[str, Any]) -> dict[str, str]:
    return {each["service"]: each["outcome"] for each in answer["results"]}


async def test_a_door_without_a_token_is_closed(door: str, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{door}{RELOAD_PATH}?service=all", headers=BEARER) as answer:
        assert (answer.status, (await answer.json())["type"]) == (403, "/problems/admin-closed")


async def test_the_word_reaches_every_service_with_a_result_for_each(
    guarded_door: str, peer: "Peer", http: aiohttp.ClientSession
) -> None:
    async def reloaded(request: web.Request) -> web.Response:
        assert request.headers["authorization"] == BEARER["authorization"]
        return web.json_response(RELOADED)

    peer.handler = reloaded
    async with http.post(f"{guarded_door}{RELOAD_PATH}?service=all", headers=BEARER) as answer:
        told = await answer.json()
        assert (answer.status, outcomes(told)) == (
            200,
            dict.fromkeys(("dataset", "detector", "model", "gateway"), "done"),
        )
    assert [request.path for request in peer.seen] == [RELOAD_PATH] * 3


async def test_what_failed_is_told_beside_what_is_done(
    guarded_door: str, peer: "Peer", http: aiohttp.ClientSession
) -> None:
    async def refused(_: web.Request) -> web.Response:
        problem = {"type": "/problems/settings-not-valid", "title": "x", "status": 422, "detail": "LOG_LEVEL: loud"}
        return web.json_response(problem, status=422, content_type="application/problem+json")

    peer.handler = refused
    async with http.post(f"{guarded_door}{RELOAD_PATH}?service=all", headers=BEARER) as answer:
        told = await answer.json()
    assert answer.status == 207
    assert outcomes(told) == {"dataset": "failed", "detector": "failed", "model": "failed", "gateway": "done"}
    assert told["results"][0]["problem"]["detail"] == "LOG_LEVEL: loud"


async def test_a_service_that_is_away_is_a_failure_of_its_own(
    settings: Settings, running: "RunGateway", http: aiohttp.ClientSession
) -> None:
    away = {"admin_token": SecretStr(TOKEN), "model_service_url": "http://127.0.0.1:1"}
    async with (
        running(settings.model_copy(update=away)) as url,
        http.post(f"{url}{RELOAD_PATH}?service=model", headers=BEARER) as answer,
    ):
        (result,) = (await answer.json())["results"]
        assert (answer.status, result["outcome"], result["problem"]["status"]) == (207, "failed", 503)


async def test_a_switch_is_told_to_those_that_heed_it(
    guarded_door: str, peer: "Peer", http: aiohttp.ClientSession
) -> None:
    async def switched(request: web.Request) -> web.Response:
        return web.json_response({"service": "model", "items": [], "said": await request.json()})

    peer.handler = switched
    url, off = f"{guarded_door}{FLAGS_PATH}?service=all", {"flags": {"STREAMING_ENABLED": False}}
    async with http.patch(url, headers=BEARER, json=off) as answer:
        told = await answer.json()
    assert outcomes(told) == {
        "dataset": "not_concerned",
        "detector": "not_concerned",
        "model": "done",
        "gateway": "done",
    }
    async with http.get(f"{guarded_door}/api/v1/predict/stream", headers=_UPGRADE) as answer:
        assert (answer.status, (await answer.json())["type"]) == (403, "/problems/feature-off")
    async with http.patch(url, headers=BEARER, json={"flags": {"STREAMING_ENABLED": None}}) as answer:
        assert answer.status == 200


async def test_a_stream_that_is_open_ends_at_its_next_message_after_the_door_is_switched_off(
    guarded_door: str, peer: "Peer", http: aiohttp.ClientSession
) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    peer.handler = echo
    async with http.ws_connect(f"{guarded_door}/api/v1/predict/stream") as stream:
        await stream.send_str("one")
        assert await stream.receive_str() == "one"
        await _switch(http, guarded_door, False)
        await stream.send_str("two")
        ended = await stream.receive()
    await _switch(http, guarded_door, None)
    assert (ended.type, ended.data) == (aiohttp.WSMsgType.CLOSE, aiohttp.WSCloseCode.GOING_AWAY)


async def _switch(http: aiohttp.ClientSession, door: str, enabled: bool | None) -> None:
    """Of the door alone."""
    body = {"flags": {"STREAMING_ENABLED": enabled}}
    async with http.patch(f"{door}{FLAGS_PATH}", headers=BEARER, json=body) as answer:
        assert answer.status == 200


async def test_a_switch_that_nobody_heeds_is_refused(guarded_door: str, http: aiohttp.ClientSession) -> None:
    url, on = f"{guarded_door}{FLAGS_PATH}?service=all", {"flags": {"AUTOML_ENABLED": True}}
    async with http.patch(url, headers=BEARER, json=on) as answer:
        assert (answer.status, (await answer.json())["type"]) == (422, "/problems/flag-not-heeded")


async def test_the_token_goes_nowhere_else(guarded_door: str, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{guarded_door}/api/v1/models", headers=BEARER) as answer:
        assert "Authorization" not in (await answer.json())["headers"]
    async with http.get(f"{guarded_door}/api/v1/models", headers={"authorization": "Bearer another"}) as answer:
        assert (await answer.json())["headers"]["Authorization"] == "Bearer another"


async def test_pages_of_the_named_origins_may_call(
    settings: Settings, running: "RunGateway", http: aiohttp.ClientSession
) -> None:
    named = {"cors_enabled": True, "cors_origins": ("https://app.example.com",)}
    async with running(settings.model_copy(update=named)) as url:
        for origin, allowed in (("https://app.example.com", True), ("https://other.example.com", False)):
            async with http.get(f"{url}/api/v1/models", headers={"origin": origin}) as answer:
                assert ("access-control-allow-origin" in answer.headers) is allowed


_UPGRADE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}
Start = Callable[..., ServiceProcess]


@pytest.fixture
def environment(database_url: str, peer: "Peer", tmp_path: Path) -> dict[str, str]:
    names = ("DATASET_SERVICE_URL", "DETECTOR_SERVICE_URL", "MODEL_SERVICE_URL")
    return dict.fromkeys(names, peer.url) | {
        "DATABASE_URL": database_url,
        "CONFIG_DIR": str(tmp_path),
        "ADMIN_TOKEN": TOKEN,
    }


async def test_sighup_under_load_loses_no_request(
    start_service: Start, environment: dict[str, str], tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    process = await asyncio.to_thread(start_service, "gateway", environment)
    statuses: list[int] = []

    async def ask(n_requests: int) -> None:
        for _ in range(n_requests):
            async with http.get(f"{process.url}/api/v1/models") as answer:
                statuses.append(answer.status)

    asking = [asyncio.create_task(ask(50)) for _ in range(4)]
    for size in range(1, 21):
        (tmp_path / "MAX_REQUEST_SIZE_MB.new").write_text(str(size))
        (tmp_path / "MAX_REQUEST_SIZE_MB.new").rename(tmp_path / "MAX_REQUEST_SIZE_MB")
        process.send(signal.SIGHUP)
        async with http.get(f"{process.url}/health/live") as answer:
            statuses.append(answer.status)
    await asyncio.gather(*asking)
    assert set(statuses) == {200}
    async with asyncio.timeout(PATIENCE_S):
        while "pynomaly_config_generation 1.0" in await _text(http, f"{process.url}/metrics"):  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(0.05)
    assert process.runs


async def test_two_replicas_follow_one_word(
    start_service: Start, environment: dict[str, str], tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    one, two = await asyncio.gather(*(asyncio.to_thread(start_service, "gateway", environment) for _ in range(2)))
    (tmp_path / "LOG_LEVEL").write_text("ERROR")
    async with http.post(f"{one.url}{RELOAD_PATH}", headers=BEARER) as answer:
        assert [change["name"] for change in (await answer.json())["applied"]] == ["LOG_LEVEL"]
    async with asyncio.timeout(PATIENCE_S):
        while "pynomaly_config_generation 2.0" not in await _text(http, f"{two.url}/metrics"):  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(0.05)
    (tmp_path / "LOG_LEVEL").write_text("LOUD")
    async with http.post(f"{two.url}{RELOAD_PATH}", headers=BEARER) as answer:
        assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, "LOG_LEVEL")


async def _text(http: aiohttp.ClientSession, url: str) -> str:
    async with http.get(url) as answer:
        return await answer.text()
