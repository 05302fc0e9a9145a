"""The service on object storage: a real S3 server, which checks every signature."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import obstore
import pytest
from dataset_service.app import create_app
from dataset_service.collector import GRACE, Collector
from dataset_service.objects import ObjectFiles
from dataset_service.repository import DatasetRepository
from dataset_service.settings import Settings
from dataset_service.spool import Spool
from dataset_service.tables import IMPORTS
from pydantic import SecretStr
from pynomaly_chassis.bucket import Bucket
from pynomaly_chassis.database import Database
from pynomaly_chassis.jobs import Notifications, wait_for
from pynomaly_chassis.storage import open_bucket
from pynomaly_suite.postgres import DatabaseUrls
from pynomaly_suite.testing import TemporaryS3, temporary_s3

CSV = b"a,b\n" + b"".join(b"%d,%d.5\n" % (n, n) for n in range(1000))


@pytest.fixture(scope="session")
def s3() -> Iterator[TemporaryS3]:
    with temporary_s3("kept", "elsewhere", "closed") as server:
        yield server


@pytest.fixture
def settings(database: DatabaseUrls, tmp_path: Path, s3: TemporaryS3) -> Settings:
    return Settings(
        database_url=SecretStr(database.app_url),
        storage_type="s3",
        aws_s3_bucket="kept",
        aws_region="us-east-1",
        aws_endpoint_url=s3.url,
        aws_allow_http=True,
        aws_access_key_id=SecretStr(s3.access_key_id),
        aws_secret_access_key=SecretStr(s3.secret_access_key),
        spool_path=tmp_path / "spool",
        import_allowed_buckets=("s3://elsewhere",),
    )


@pytest.fixture
async def linking(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A service that gives links, although its server is one of its own."""
    app = create_app(settings.model_copy(update={"presigned_downloads": True, "import_concurrency": 0}))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://dataset") as client,
    ):
        yield client


async def stored_keys(settings: Settings) -> list[str]:
    store = open_bucket(settings, "s3", "kept")
    return [item["path"] async for found in obstore.list(store) for item in found]


async def test_a_data_set_is_uploaded_read_and_collected_on_s3(
    client: httpx.AsyncClient, upload: Any, settings: Settings, database: DatabaseUrls, tmp_path: Path
) -> None:
    made = await upload(CSV, name="t")
    assert made.status_code == 201
    key = f"default/datasets/{made.json()['id']}.parquet"
    assert key in await stored_keys(settings)
    rows = await client.get("/api/v1/datasets/t/rows", headers={"accept": "text/csv"})
    assert rows.content.split() == CSV.split()
    assert (await client.get("/api/v1/datasets/t/quality")).json()["n_rows"] == 1000
    assert (await client.post("/api/v1/datasets/t/versions", content=CSV)).json()["n_rows"] == 2000
    assert (await client.delete("/api/v1/datasets/t")).status_code == 204
    spool, own = Spool(tmp_path / "other"), Database.open(settings)
    bucket = Bucket(open_bucket(settings, "s3", "kept"))
    collector = Collector(DatasetRepository(own), ObjectFiles(bucket, spool, local_folder=None))
    await collector.sweep(datetime.now(UTC) + GRACE + timedelta(minutes=1))
    await own.close()
    assert await stored_keys(settings) == []


async def test_a_download_goes_to_the_storage_itself_by_a_link_that_is_signed(
    linking: httpx.AsyncClient, s3: TemporaryS3
) -> None:
    made = await linking.post("/api/v1/datasets", params={"name": "t"}, content=CSV)
    assert made.status_code == 201
    answer = await linking.get("/api/v1/datasets/t/download")
    link = answer.headers["location"]
    assert (answer.status_code, answer.json()["url"]) == (307, link)
    assert link.startswith(f"{s3.url}/kept/default/datasets/")
    async with httpx.AsyncClient(timeout=60) as anybody:
        got = await anybody.get(link)
        assert (got.status_code, got.content[:4], got.content[-4:]) == (200, b"PAR1", b"PAR1")
        assert (await anybody.get(link, headers={"range": "bytes=0-3"})).content == b"PAR1"
        assert (await anybody.get(link.partition("?")[0])).status_code == 403
        assert (await anybody.get(link.replace("X-Amz-Expires=900", "X-Amz-Expires=9000"))).status_code == 403
    told = (await linking.get("/api/v1/datasets/t/download", headers={"accept": "application/json"})).json()
    assert (told["n_rows"], told["media_type"]) == (1000, "application/vnd.apache.parquet")
    left = datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=10) < left <= timedelta(minutes=15)


async def test_a_storage_of_ones_own_is_not_linked_to_unless_that_is_said(
    client: httpx.AsyncClient, upload: Any
) -> None:
    await upload(CSV, name="t")
    answer = await client.get("/api/v1/datasets/t/download")
    assert (answer.status_code, answer.content[:4]) == (200, b"PAR1")
    part = await client.get("/api/v1/datasets/t/download", headers={"range": "bytes=4-9"})
    assert (part.status_code, part.content) == (206, answer.content[4:10])


@pytest.mark.parametrize(
    ("key", "kind"),
    [("t.csv", None), ("missing.csv", "/problems/import-source-refused")],
    ids=["an object", "no object"],
)
async def test_an_object_of_an_allowed_bucket_is_imported(
    key: str, kind: str | None, client: httpx.AsyncClient, settings: Settings, database: DatabaseUrls
) -> None:
    await obstore.put_async(open_bucket(settings, "s3", "elsewhere"), "t.csv", CSV)
    told = Notifications(database.app_url, IMPORTS.progress_channel, application_name="test")
    async with told.listening():
        begun = await client.post("/api/v1/datasets/imports", json={"name": "t", "url": f"s3://elsewhere/{key}"})
        at = begun.headers["location"]
        with told.subscription(begun.json()["id"]) as bell:
            while (found := (await client.get(at)).json())["finished_at"] is None:
                await wait_for(bell, 5)
    assert (found["problem"] or {}).get("type") == kind
    if kind is None:
        assert found["state"] == "succeeded"
        assert (found["n_rows"], found["n_bytes"], found["total_bytes"]) == (1000, len(CSV), len(CSV))
        assert (await client.get("/api/v1/datasets/t")).json()["source"]["origin"] == "s3://elsewhere/t.csv"


@pytest.mark.parametrize("bucket", ["s3://kept", "s3://kept/default"])
def test_the_bucket_of_the_data_sets_themselves_is_never_allowed(bucket: str, settings: Settings) -> None:
    with pytest.raises(ValueError, match="every tenant"):
        Settings.model_validate({**settings.model_dump(), "import_allowed_buckets": (bucket,)})


async def test_a_local_file_is_downloaded_with_etag_and_range(database: DatabaseUrls, tmp_path: Path) -> None:
    local = create_app(Settings(database_url=SecretStr(database.app_url), storage_path=tmp_path / "local"))
    transport = httpx.ASGITransport(local)
    async with (
        local.router.lifespan_context(local),
        httpx.AsyncClient(transport=transport, base_url="http://dataset") as client,
    ):
        await client.post("/api/v1/datasets", params={"name": "t"}, content=CSV)
        await client.post("/api/v1/datasets/t/versions", content=CSV)
        whole = await client.get("/api/v1/datasets/t/download")
        first = await client.get("/api/v1/datasets/t/download", params={"version": "1"})
        asked = {"if-none-match": whole.headers["etag"]}
        assert (await client.get("/api/v1/datasets/t/download", headers=asked)).status_code == 304
        beyond = await client.get("/api/v1/datasets/t/download", headers={"range": "bytes=9999999-"})
    assert (whole.content[:4], beyond.status_code) == (b"PAR1", 416)
    assert first.headers["etag"] != whole.headers["etag"]
    assert len(first.content) < len(whole.content) == int(whole.headers["content-length"])
