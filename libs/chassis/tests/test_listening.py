"""Who listens hears again, whatever becomes of the connection or of a callback."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from pynomaly_chassis.database import connect_raw
from pynomaly_chassis.listening import Listener
from pynomaly_chassis.settings import ServiceSettings
from structlog.testing import capture_logs

CHANNEL = "notes"


class Ear:
    """Keeps what it is told; "defect" breaks it."""

    def __init__(self, url: str) -> None:
        self.told: asyncio.Queue[str] = asyncio.Queue()
        self.listener = Listener(url, CHANNEL, application_name="ear", hear=self.hear, catch_up=self.catch_up)

    def hear(self, payload: str) -> None:
        if payload == "defect":
            raise RuntimeError("a defect")
        self.told.put_nowait(payload)

    def catch_up(self) -> None:
        self.told.put_nowait("(catch up)")

    async def next(self) -> str:
        async with asyncio.timeout(10):
            return await self.told.get()


@pytest.fixture
def url(settings: ServiceSettings) -> str:
    return settings.database_url.get_secret_value()


@pytest.fixture
async def speaker(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect_raw(url, application_name="speaker")
    yield connection
    await connection.close()


@pytest.fixture
async def ear(url: str) -> AsyncIterator[Ear]:
    made = Ear(url)
    async with made.listener.listening():
        assert await made.next() == "(catch up)"
        yield made


async def say(speaker: asyncpg.Connection, payload: str) -> None:
    await speaker.execute("SELECT pg_notify($1, $2)", CHANNEL, payload)


async def test_what_is_said_is_heard(ear: Ear, speaker: asyncpg.Connection) -> None:
    await say(speaker, "hello")
    assert await ear.next() == "hello"


async def test_a_lost_connection_is_made_again_and_what_was_missed_caught_up(
    ear: Ear, speaker: asyncpg.Connection
) -> None:
    await speaker.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ear'")
    assert await ear.next() == "(catch up)"
    await say(speaker, "hello again")
    assert await ear.next() == "hello again"


async def test_a_defect_of_who_hears_is_logged_and_leaves_nobody_deaf(ear: Ear, speaker: asyncpg.Connection) -> None:
    with capture_logs() as events:
        await say(speaker, "defect")
        assert await ear.next() == "(catch up)"
    assert [event["event"] for event in events] == ["background.beat_failed"]
    await say(speaker, "hello again")
    assert await ear.next() == "hello again"
