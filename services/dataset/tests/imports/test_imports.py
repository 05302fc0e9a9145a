"""Imports by https, from a real server with an authority of its own, into a real database and folder."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx
import pytest
from dataset_service.app import create_app
from dataset_service.imports.repository import forget_old
from dataset_service.settings import Settings
from dataset_service.tables import IMPORTS
from pynomaly_chassis.database import Database
from pynomaly_chassis.jobs import Notifications, wait_for
from pynomaly_suite.postgres import DatabaseUrls

if TYPE_CHECKING:
    from .conftest import Site

CSV = b"a,b\n1,2.5\n3,4.5\n"
PATH = "/api/v1/datasets/imports"
Ended = Callable[[str], Awaitable[dict[str, Any]]]
Import = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def settings(database: DatabaseUrls, tmp_path: Path, site: "Site") -> Settings:
    return Settings.model_validate(
        {
            "database_url": database.app_url,
            "storage_path": tmp_path / "storage",
            "max_upload_size": 1_000_000,
            "import_allowed_hosts": (f"localhost:{site.port}",),
            "import_allowed_networks": ("127.0.0.0/8", "::1/128"),
            "import_ca_file": site.certificate,
            "import_connections": f'{{"warehouse": "{database.owner_url}"}}',
        }
    )


@pytest.fixture
async def ended(client: httpx.AsyncClient, database: DatabaseUrls) -> AsyncIterator[Ended]:
    """`await ended(id)`: the import when it has ended; its changes are told by the database."""
    told = Notifications(database.app_url, IMPORTS.progress_channel, application_name="test")

    async def wait(job_id: str) -> dict[str, Any]:
        with told.subscription(job_id) as bell:
            while True:
                found: dict[str, Any] = (await client.get(f"{PATH}/{job_id}")).json()
                if found["finished_at"] is not None:
                    return found
                await wait_for(bell, 5)

    async with told.listening():
        yield wait


@pytest.fixture
def imported(client: httpx.AsyncClient, ended: Ended) -> Import:
    """`await imported(url=..., name=...)`: the import when it has ended."""

    async def run(**wanted: Any) -> dict[str, Any]:
        answer = await client.post(PATH, json={"name": "t", **wanted})
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"{PATH}/{answer.json()['id']}"
        return await ended(answer.json()["id"])

    return run


async def test_a_file_by_https_becomes_a_data_set(client: httpx.AsyncClient, imported: Import, site: "Site") -> None:
    end = await imported(url=site.url("t.csv?token=secret"), target_column=None, description="from afar")
    assert (end["state"], end["progress"], end["problem"]) == ("succeeded", 1.0, None)
    assert (end["n_bytes"], end["total_bytes"], end["n_rows"], end["attempts"]) == (len(CSV), len(CSV), 2, 1)
    dataset = (await client.get("/api/v1/datasets/t")).json()
    assert dataset["id"] == end["dataset_id"]
    assert dataset["description"] == "from afar"
    assert dataset["source"]["origin"] == site.url("t.csv")
    assert [column["type"] for column in dataset["columns"]] == ["integer", "number"]
    assert site.asked == ["/t.csv?token=secret"]


async def test_the_secret_in_an_address_is_neither_shown_nor_kept(
    client: httpx.AsyncClient, imported: Import, site: "Site", database: DatabaseUrls
) -> None:
    end = await imported(url=site.url("t.csv?token=secret"))
    assert end["url"] == site.url("t.csv")
    listed = await client.get(PATH)
    assert "secret" not in listed.text
    connection = await asyncpg.connect(database.owner_url)
    kept = await connection.fetchval("SELECT jobs::text FROM jobs")
    await connection.close()
    assert "secret" not in kept


async def test_no_credentials_of_ours_and_no_cookies_go_to_a_source(imported: Import, site: "Site") -> None:
    await imported(url=site.url("t.csv"))
    assert {name.lower() for name in site.headers[0]} <= {
        *("host", "connection", "accept", "accept-encoding", "user-agent"),
    }


async def test_reading_options_are_those_of_an_upload(
    client: httpx.AsyncClient, imported: Import, site: "Site"
) -> None:
    end = await imported(url=site.url("t.csv.gz"), header=False, target_column=None)
    assert end["state"] == "succeeded"
    source = (await client.get("/api/v1/datasets/t")).json()["source"]
    assert (source["compression"], source["header"], source["format"]) == ("gzip", False, "csv")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("missing.csv", "/problems/import-source-refused"),
        ("bad.csv", "/problems/invalid-file"),
        ("large.csv", "/problems/body-too-large"),
        ("to?where=https://127.0.0.1/t.csv", "/problems/import-not-allowed"),
        ("to?where=http://localhost/t.csv", "/problems/import-not-allowed"),
        ("to?where=https://[nowhere/t.csv", "/problems/import-not-allowed"),
        ("loop", "/problems/import-source-refused"),
    ],
    ids=[
        "nothing there",
        "no table",
        "too large",
        "sent on to another host",
        "sent on without TLS",
        "sent nowhere",
        "sent in circles",
    ],
)
async def test_what_cannot_be_imported_fails_once_and_leaves_nothing(
    path: str, kind: str, imported: Import, site: "Site", stored_files: Callable[[], list[str]]
) -> None:
    end = await imported(url=site.url(path))
    assert (end["state"], end["problem"]["type"], end["attempts"]) == ("failed", kind, 1)
    assert stored_files() == []


async def test_a_redirect_within_what_is_allowed_is_followed(imported: Import, site: "Site") -> None:
    assert (await imported(url=site.url("to?where=/t.csv")))["state"] == "succeeded"
    assert site.asked == ["/to?where=/t.csv", "/t.csv"]


async def test_a_source_that_is_away_for_a_moment_is_asked_again(imported: Import, site: "Site") -> None:
    site.n_failures = 1
    end = await imported(url=site.url("later.csv"))
    assert (end["state"], end["attempts"]) == ("succeeded", 2)


async def test_what_is_not_allowed_is_refused_at_once_and_says_which_setting_would(
    client: httpx.AsyncClient, site: "Site"
) -> None:
    for source, setting in (
        ({"url": "https://example.com/a.csv"}, "IMPORT_ALLOWED_HOSTS"),
        ({"url": "s3://somebodys/a.csv"}, "IMPORT_ALLOWED_BUCKETS"),
        ({"sql": {"connection": "other", "query": "SELECT 1"}}, "IMPORT_CONNECTIONS"),
    ):
        answer = await client.post(PATH, json={"name": "t", **source})
        assert (answer.status_code, answer.json()["type"]) == (403, "/problems/import-not-allowed")
        assert setting in answer.json()["detail"]
    assert site.asked == []


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"url": "https://localhost/a", "sql": {"connection": "warehouse", "query": "SELECT 1"}},
        {"url": "http://localhost/a"},
        {"url": "file:///etc/passwd"},
        {"sql": {"connection": "warehouse", "query": "SELECT 1"}, "delimiter": ";"},
        {"url": "https://localhost/a", "name": "imports"},
    ],
    ids=[
        "no source",
        "two sources",
        "no TLS",
        "a file",
        "options of files for a query",
        "a reserved name",
    ],
)
async def test_a_request_that_makes_no_sense_is_a_422(client: httpx.AsyncClient, wanted: dict[str, Any]) -> None:
    assert (await client.post(PATH, json={"name": "t", **wanted})).status_code == 422


async def test_an_import_is_cancelled_while_its_source_dawdles(
    client: httpx.AsyncClient, ended: Ended, site: "Site", stored_files: Callable[[], list[str]]
) -> None:
    begun = (await client.post(PATH, json={"name": "t", "url": site.url("held.csv")})).json()
    await site.reached.wait()
    assert (await client.post(f"{PATH}/{begun['id']}/cancel")).status_code == 200
    end = await ended(begun["id"])
    assert (end["state"], end["dataset_id"]) == ("cancelled", None)
    assert (await client.get("/api/v1/datasets/t")).status_code == 404
    again = await client.post(f"{PATH}/{begun['id']}/cancel")
    assert again.status_code == 200  # asking twice is asking once


async def test_how_much_has_come_is_told_while_it_comes(
    client: httpx.AsyncClient, ended: Ended, site: "Site", database: DatabaseUrls
) -> None:
    begun = (await client.post(PATH, json={"name": "t", "url": site.url("held.csv")})).json()
    told = Notifications(database.app_url, IMPORTS.progress_channel, application_name="test")
    async with told.listening():
        with told.subscription() as bell:
            while (found := (await client.get(f"{PATH}/{begun['id']}")).json())["progress"] == 0 or not found[
                "n_bytes"
            ]:
                await wait_for(bell, 0.2)
    assert (found["state"], found["stage"], found["finished_at"]) == ("running", "reading", None)
    assert (found["n_bytes"], found["total_bytes"], found["progress"]) == (8, len(CSV), pytest.approx(0.4))
    site.go_on.set()
    assert (await ended(begun["id"]))["state"] == "succeeded"


async def test_a_name_that_was_taken_meanwhile_fails_the_import(
    client: httpx.AsyncClient, upload: Any, ended: Ended, site: "Site"
) -> None:
    begun = (await client.post(PATH, json={"name": "t", "url": site.url("held.csv")})).json()
    await site.reached.wait()
    assert (await upload(CSV, name="t")).status_code == 201
    site.go_on.set()
    end = await ended(begun["id"])
    assert (end["state"], end["problem"]["type"]) == ("failed", "/problems/name-taken")
    assert (await client.post(PATH, json={"name": "t", "url": site.url("t.csv")})).status_code == 409


async def test_the_same_key_makes_one_import(client: httpx.AsyncClient, ended: Ended, site: "Site") -> None:
    wanted, key = {"name": "t", "url": site.url("t.csv")}, {"idempotency-key": "k"}
    first = await client.post(PATH, json=wanted, headers=key)
    await ended(first.json()["id"])
    second = await client.post(PATH, json=wanted, headers=key)
    assert (second.status_code, second.json()["id"]) == (202, first.json()["id"])
    assert len((await client.get(PATH)).json()["items"]) == 1


async def test_imports_are_listed_newest_first_in_pages(
    client: httpx.AsyncClient, imported: Import, site: "Site"
) -> None:
    ids = [(await imported(url=site.url("t.csv"), name=f"t{number}"))["id"] for number in range(3)]
    page = (await client.get(PATH, params={"limit": 2})).json()
    rest = (await client.get(PATH, params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert [item["id"] for item in page["items"] + rest["items"]] == ids[::-1]
    assert (await client.get(PATH, params={"state": "failed"})).json()["items"] == []


async def test_an_import_that_ended_over_30_days_ago_is_forgotten_and_its_data_set_is_not(
    client: httpx.AsyncClient, imported: Import, site: "Site", database: DatabaseUrls, settings: Settings
) -> None:
    old, new = [await imported(url=site.url("t.csv"), name=name) for name in ("old", "new")]
    connection = await asyncpg.connect(database.owner_url)
    await connection.execute("UPDATE jobs SET finished_at = finished_at - interval '31 days' WHERE id = $1", old["id"])
    await connection.close()
    own = Database.open(settings)
    assert [await own.run(forget_old) for _ in range(2)] == [1, 0]
    await own.close()
    listed = (await client.get(PATH)).json()["items"]
    assert [item["id"] for item in listed] == [new["id"]]
    assert (await client.get("/api/v1/datasets/old")).status_code == 200


async def test_one_import_too_many_is_a_429_that_names_limit_and_count(settings: Settings, site: "Site") -> None:
    app = create_app(settings.model_copy(update={"import_concurrency": 0, "max_queued_jobs_per_tenant": 2}))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://d") as client,
    ):
        answers = [await client.post(PATH, json={"name": f"t{n}", "url": site.url("t.csv")}) for n in range(3)]
    problem = answers[2].json()
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert (problem["type"], problem["limit"], problem["queued"]) == ("/problems/job-queue-full", 2, 2)
    assert answers[2].headers["retry-after"] == "30"


async def test_an_import_that_nobody_made_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{PATH}/018f0000-0000-7000-8000-000000000000")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/job-not-found")


async def test_a_source_that_falls_silent_ends_by_the_deadline(
    settings: Settings, site: "Site", database: DatabaseUrls
) -> None:
    hurried = settings.model_copy(update={"import_timeout_s": 0.2})
    app = create_app(hurried)
    transport = httpx.ASGITransport(app)
    told = Notifications(database.app_url, IMPORTS.progress_channel, application_name="test")
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://d") as client,
        told.listening(),
    ):
        begun = (await client.post(PATH, json={"name": "t", "url": site.url("held.csv")})).json()
        with told.subscription() as bell:
            while (found := (await client.get(f"{PATH}/{begun['id']}")).json())["finished_at"] is None:
                await wait_for(bell, 5)
    assert (found["state"], found["problem"]["type"]) == ("failed", "/problems/import-timed-out")


async def test_a_certificate_of_an_unknown_authority_is_refused(
    settings: Settings, site: "Site", database: DatabaseUrls
) -> None:
    app = create_app(settings.model_copy(update={"import_ca_file": None}))
    told = Notifications(database.app_url, IMPORTS.progress_channel, application_name="test")
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://d") as client,
        told.listening(),
    ):
        begun = (await client.post(PATH, json={"name": "t", "url": site.url("t.csv")})).json()
        with told.subscription() as bell:
            while (found := (await client.get(f"{PATH}/{begun['id']}")).json())["finished_at"] is None:
                await wait_for(bell, 5)
    assert found["problem"]["type"] == "/problems/import-source-refused"
    assert "certificate" in found["problem"]["detail"]
