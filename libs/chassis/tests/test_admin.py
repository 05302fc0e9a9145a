"""The admin routes of a service, on a real database, with two replicas of it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from pynomaly_chassis.admin import Admin
from pynomaly_chassis.app import create_service, json_router
from pynomaly_chassis.configuration import Configuration
from pynomaly_chassis.database import Database, sqlalchemy_url
from pynomaly_chassis.flags import Flags, flags_table
from pynomaly_chassis.health import Vitals
from pynomaly_chassis.metrics import HttpMetrics
from pynomaly_chassis.reading import read_settings
from pynomaly_chassis.settings import RELOADABLE, ServiceSettings
from pynomaly_contracts.admin import FLAGS_PATH, RELOAD_PATH, Flag
from pynomaly_resilience import Resilience
from sqlalchemy.ext.asyncio import create_async_engine

METADATA = sa.MetaData()
FLAGS = flags_table(METADATA)
TOKEN = "t" * 32
PATIENCE_S = 60.0
BEARER = {"authorization": f"Bearer {TOKEN}"}


class StreamSettings(ServiceSettings):
    """Of a service that streams."""

    streaming_enabled: Annotated[bool, RELOADABLE] = True


@dataclass
class Replica:
    """A service that runs, and what it is asked through."""

    client: httpx.AsyncClient
    admin: Admin[Any]
    registry: CollectorRegistry

    async def reload(self) -> httpx.Response:
        return await self.client.post(RELOAD_PATH, headers=BEARER)

    async def switch(self, **flags: bool | None) -> httpx.Response:
        return await self.client.patch(FLAGS_PATH, headers=BEARER, json={"flags": flags, "reason": "load", "by": "ann"})

    @property
    def level(self) -> str:
        return self.admin.live.now.log_level

    @property
    def streams(self) -> bool:
        return self.admin.flags.is_on(Flag.STREAMING)


async def eventually(reached: Callable[[], bool]) -> None:
    """Until it is so; another process or task brings it about."""
    async with asyncio.timeout(PATIENCE_S):
        while not reached():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)


@pytest.fixture
async def folder(tmp_path: Path, settings: ServiceSettings) -> Path:
    owner = settings.migration_database_url
    assert owner is not None
    engine = create_async_engine(sqlalchemy_url(owner.get_secret_value()))
    async with engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
        await connection.execute(sa.delete(FLAGS))
    await engine.dispose()
    return tmp_path


def _app(settings: StreamSettings, environ: dict[str, str]) -> tuple[FastAPI, Admin[Any], CollectorRegistry]:
    metrics, resilience = HttpMetrics(CollectorRegistry()), Resilience()
    database = Database.open(settings, resilience)
    configuration = Configuration(settings, metrics.registry, resilience, environ=environ)
    admin = Admin(configuration, Flags("model", configuration.live, database, FLAGS), database)
    router = json_router("/sizes", "sizes")

    @router.post("")
    async def size(body: list[int]) -> int:
        return len(body)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await database.close()

    vitals = Vitals(settings, database, metrics, resilience=resilience)
    app = create_service(vitals, title="x", description="", routers=[router], lifespan=lifespan, admin=admin)
    return app, admin, metrics.registry


@asynccontextmanager
async def replica(settings: ServiceSettings, folder: Path, **said: str) -> AsyncIterator[Replica]:
    url = settings.database_url.get_secret_value()
    environ = {"SERVICE_NAME": "model", "PORT": "0", "DATABASE_URL": url, "CONFIG_DIR": str(folder), **said}
    app, admin, registry = _app(read_settings(StreamSettings, environ).settings, environ)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x", timeout=PATIENCE_S) as client,
    ):
        yield Replica(client, admin, registry)


async def test_a_setting_that_was_changed_is_applied_and_told(settings: ServiceSettings, folder: Path) -> None:
    async with replica(settings, folder, ADMIN_TOKEN=TOKEN) as one:
        (folder / "LOG_LEVEL").write_text("ERROR")
        (folder / "DATABASE_POOL_SIZE").write_text("7")
        (folder / "MISTYPED").write_text("1")
        (folder / "WORKERS").write_text("4")
        (folder / "TIMEOUT_SECONDS").write_text("9")
        told = (await one.reload()).json()
    assert told["applied"] == [{"name": "LOG_LEVEL", "old": "INFO", "new": "ERROR"}]
    assert told["needs_restart"] == [
        {"name": "DATABASE_POOL_SIZE", "old": "5", "new": "7"},
        {"name": "TIMEOUT_SECONDS", "old": None, "new": "9.0"},
    ]
    assert (told["generation"], told["unknown"]) == (2, ["MISTYPED"])
    assert "MAX_REQUEST_SIZE_MB" in told["unchanged"]
    assert [each["name"] for each in told["replaced"]] == ["WORKERS"]


async def test_one_wrong_value_and_nothing_has_changed(settings: ServiceSettings, folder: Path) -> None:
    async with replica(settings, folder, ADMIN_TOKEN=TOKEN) as one:
        (folder / "LOG_LEVEL").write_text("ERROR")
        (folder / "MAX_REQUEST_SIZE_MB").write_text("many")
        (folder / "CIRCUIT_BREAKER_THRESHOLD").write_text("3")
        refused = await one.reload()
        (wrong,) = refused.json()["errors"]
        assert (refused.status_code, wrong["field"], wrong["value"]) == (422, "MAX_REQUEST_SIZE_MB", "many")
        assert (one.level, one.admin.live.now.max_request_size_mb) == ("INFO", 64)
        assert one.registry.get_sample_value("pynomaly_config_reloads_total", {"result": "refused"}) == 1
        assert one.registry.get_sample_value("pynomaly_config_generation") == 1


async def test_a_policy_of_calls_that_makes_no_sense_is_refused_too(settings: ServiceSettings, folder: Path) -> None:
    async with replica(settings, folder, ADMIN_TOKEN=TOKEN) as one:
        (folder / "TIMEOUT_SECONDS").write_text("never")
        assert (await one.reload()).json()["errors"][0]["field"] == "TIMEOUT_SECONDS"


async def test_a_half_written_file_is_refused_and_the_next_reload_has_it_whole(
    settings: ServiceSettings, folder: Path
) -> None:
    async with replica(settings, folder, ADMIN_TOKEN=TOKEN) as one:
        with (folder / "LOG_LEVEL").open("w") as file:
            assert "half written" in (await one.reload()).json()["detail"]
            file.write("ERROR")
        assert (await one.reload()).status_code == 200
        assert one.level == "ERROR"


async def test_limits_hold_from_the_reload_on(settings: ServiceSettings, folder: Path) -> None:
    body = {"content": b"[" + b"1," * 700_000 + b"1]", "headers": {"content-type": "application/json"}}
    async with replica(settings, folder, ADMIN_TOKEN=TOKEN) as one:
        assert (await one.client.post("/api/v1/sizes", **body)).status_code == 200
        (folder / "MAX_REQUEST_SIZE_MB").write_text("1")
        await one.reload()
        refused = await one.client.post("/api/v1/sizes", **body)
        assert (refused.status_code, refused.json()["limit_bytes"]) == (413, 1024 * 1024)


async def test_concurrent_reloads_each_see_a_whole_state(settings: ServiceSettings, folder: Path) -> None:
    async with replica(settings, folder, ADMIN_TOKEN=TOKEN) as one:
        (folder / "LOG_LEVEL").write_text("ERROR")
        answers = [answer.json() for answer in await asyncio.gather(*(one.reload() for _ in range(10)))]
    assert sum(len(told["applied"]) for told in answers) == 1
    assert {told["generation"] for told in answers} <= {1, 2}


async def test_what_one_replica_is_asked_the_other_does_too(settings: ServiceSettings, folder: Path) -> None:
    async with replica(settings, folder, ADMIN_TOKEN=TOKEN) as one, replica(settings, folder, ADMIN_TOKEN=TOKEN) as two:
        assert (await one.switch(STREAMING_ENABLED=False)).status_code == 200
        assert not one.streams
        await eventually(lambda: not two.streams)
        (folder / "LOG_LEVEL").write_text("ERROR")
        await one.reload()
        await eventually(lambda: two.level == "ERROR")


async def test_a_switch_outlives_a_restart_with_who_and_why(settings: ServiceSettings, folder: Path) -> None:
    async with replica(settings, folder, ADMIN_TOKEN=TOKEN) as one:
        await one.switch(STREAMING_ENABLED=False)
    async with replica(settings, folder, ADMIN_TOKEN=TOKEN, STREAMING_ENABLED="true") as again:
        listed = (await again.client.get(FLAGS_PATH, headers=BEARER)).json()["items"]
        flag = next(each for each in listed if each["name"] == "STREAMING_ENABLED")
        assert (flag["enabled"], flag["source"], flag["changed_by"], flag["reason"]) == (False, "change", "ann", "load")
        assert (await again.switch(STREAMING_ENABLED=None)).status_code == 200
        assert again.streams


async def test_a_feature_that_there_is_not_says_what_there_is(settings: ServiceSettings, folder: Path) -> None:
    async with replica(settings, folder, ADMIN_TOKEN=TOKEN) as one:
        refused = await one.switch(STREAMING_ENABLED=False, AUTOML_ENABLED=True, ENSEMBLE_ENABLED=False)
        told = {each["field"]: each["message"] for each in refused.json()["errors"]}
        assert refused.status_code == 422
        assert "compare their evaluations" in told["body.flags.AUTOML_ENABLED"]
        assert "switch of detector" in told["body.flags.ENSEMBLE_ENABLED"]
        assert one.streams  # all of it or nothing


async def test_without_a_token_the_routes_are_closed_and_name_the_setting(
    settings: ServiceSettings, folder: Path
) -> None:
    async with replica(settings, folder) as one:
        refused = await one.reload()
        assert (refused.status_code, "ADMIN_TOKEN" in refused.json()["detail"]) == (403, True)


@pytest.mark.parametrize(
    "said",
    [{}, {"authorization": TOKEN}, {"authorization": f"Bearer {TOKEN[:-1]}u"}, {"authorization": f"Basic {TOKEN}"}],
    ids=["none", "bare", "another", "basic"],
)
async def test_who_has_not_the_token_is_refused(settings: ServiceSettings, folder: Path, said: dict[str, str]) -> None:
    async with replica(settings, folder, ADMIN_TOKEN=TOKEN) as one:
        refused = await one.client.post(RELOAD_PATH, headers=said)
        assert (refused.status_code, refused.headers["www-authenticate"][:6]) == (401, "Bearer")


async def test_a_token_is_changed_without_a_restart_and_never_told(settings: ServiceSettings, folder: Path) -> None:
    (folder / "ADMIN_TOKEN").write_text(TOKEN)
    async with replica(settings, folder) as one:
        (folder / "ADMIN_TOKEN").write_text("n" * 40)
        told = await one.reload()
        assert told.json()["applied"] == [{"name": "ADMIN_TOKEN", "old": "(secret)", "new": "(secret)"}]
        assert (await one.reload()).status_code == 401


async def test_sighup_reads_the_settings_again(settings: ServiceSettings, folder: Path) -> None:
    async with replica(settings, folder, ADMIN_TOKEN=TOKEN) as one:
        (folder / "LOG_LEVEL").write_text("ERROR")
        os.kill(os.getpid(), signal.SIGHUP)
        await eventually(lambda: one.level == "ERROR")
