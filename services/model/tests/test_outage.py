"""Without PostgreSQL, what is loaded goes on scoring; when it is back, changes are followed again."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from model_service.__main__ import MIGRATIONS
from pynomaly_chassis.migrations import migrate
from pynomaly_suite.postgres import EmbeddedPostgres
from pynomaly_suite.testing import temporary_postgres
from structlog.testing import capture_logs

ROW = [1.0, 2.0, 3.0]


class StoppablePostgres:
    """A server that can be stopped and started again, always at the same address."""

    def __init__(self, server: EmbeddedPostgres, link: Path) -> None:
        self._server, self.link = server, link
        self._point()

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server.start()
        self._point()

    def _point(self) -> None:
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(self._server.socket_folder)


@pytest.fixture
def stoppable(tmp_path: Path) -> Iterator[tuple[StoppablePostgres, dict[str, str]]]:
    with temporary_postgres() as postgres:
        urls = postgres.database("model")
        made = StoppablePostgres(postgres._server, tmp_path / "socket")
        socket_folder = urls.app_url.partition("?host=")[2]
        yield (
            made,
            {
                "database_url": urls.app_url.replace(socket_folder, str(made.link)),
                "migration_database_url": urls.owner_url.replace(socket_folder, str(made.link)),
            },
        )


async def ready(client: httpx.AsyncClient) -> bool:
    # A task of its own: a connection that fails at once would never let the event loop turn.
    return (await asyncio.create_task(client.get("/ready"))).status_code == 200


async def test_predictions_go_on_while_postgresql_is_stopped_and_follow_changes_after(
    *, stoppable: Any, make_settings, make_app, make_client, register_at, name, until
) -> None:
    server, urls = stoppable
    await asyncio.to_thread(migrate, make_settings(**urls), MIGRATIONS)
    known: dict[str, Any] = {"data": ROW, "model_id": name}
    replica = partial(make_app, model_refresh_s=0.01, model_resolve_timeout_s=1, **urls)
    async with make_client(replica()) as client, make_client(replica()) as other:
        await register_at(client, 1.0)
        await until(client, known, lambda answer: answer.status_code == 200)

        await asyncio.to_thread(server.stop)
        assert not await ready(client)
        unknown = await client.post("/api/v1/predict", json={**known, "version": "latest"})
        assert (unknown.status_code, unknown.json()["type"]) == (503, "/problems/database-unavailable")
        with capture_logs() as events:
            async with asyncio.timeout(15):
                while not any(event["event"] == "serving.stale" for event in events):
                    assert (await client.post("/api/v1/predict", json=known)).json()["raw_score"] == 6
                    await ready(client)
        assert (await client.post("/api/v1/predict", json=known)).status_code == 200

        await asyncio.to_thread(server.start)
        async with asyncio.timeout(20):
            while not await ready(other):
                continue
        await register_at(other, 2.0)
        await until(client, known, lambda answer: answer.json()["model_version"] == "2")
