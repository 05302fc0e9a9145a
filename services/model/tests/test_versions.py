"""What a version tells of itself, what people say of it, and how it goes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from model_service.repository import ModelRepository
from model_service.sweep import Sweep
from model_service.tables import VERSIONS
from obstore.store import LocalStore
from pynomaly_chassis.bucket import Bucket
from pynomaly_chassis.database import Database

SIGNED = {
    "dataset_name": "thyroid",
    "dataset_sha256": "cd" * 32,
    "detector_id": "0197a000-0000-7000-8000-000000000001",
    "detector_name": "forest",
    "job_id": "0197a000-0000-7000-8000-000000000002",
}


@pytest.fixture
async def database(make_settings) -> AsyncIterator[Database]:
    opened = Database.open(make_settings())
    yield opened
    await opened.close()


@pytest.fixture
def path(name) -> str:
    return f"/api/v1/models/{name}/versions"


async def test_a_version_tells_where_it_comes_from_as_it_was_signed(register) -> None:
    await register(1.0)
    version = await register(2.0, lineage=SIGNED)
    lineage = version["lineage"]
    assert {name: lineage[name] for name in SIGNED} == SIGNED
    assert (lineage["dataset_id"], lineage["dataset_version"]) == ("0197a000-0000-7000-8000-000000000000", "1")
    assert (lineage["algorithm"], lineage["parameters"], lineage["seed"]) == ("IForest", {"n_estimators": 100}, 0)
    assert (lineage["contamination"], lineage["data_digest"]) == (0.1, "ab" * 32)
    assert (lineage["versions"], lineage["previous_version"]) == ({"pyod": "3.6.7"}, "1")
    assert version["created_by"] == "default"


async def test_what_is_signed_cannot_claim_another_origin_than_the_manifest_has(register) -> None:
    version = await register(lineage={"algorithm": "LOF", "data_digest": "ef" * 32, "previous_version": "9"})
    lineage = version["lineage"]
    assert (lineage["algorithm"], lineage["data_digest"], lineage["previous_version"]) == ("IForest", "ab" * 32, None)


async def test_a_version_tells_its_columns_and_what_becomes_of_them(register, mixed) -> None:
    version = await register(**mixed, preprocessing={"settings": {"missing": "median"}})
    assert version["preprocessing"] == {"settings": {"missing": "median"}}
    city = {"name": "city", "type": "string", "accepts_missing": False, "categories": ["Oslo", "Rome"]}
    assert version["columns"][1] == {**city, "accepts_unknown": False}
    plain = await register(2.0)
    assert [(column["name"], column["type"]) for column in plain["columns"]] == [
        ("age", "number"),
        ("tsh", "number"),
        ("t3", "number"),
    ]


async def test_a_row_that_a_former_release_wrote_answers_with_what_it_has(
    *, client, register, predict, database, path
) -> None:
    version = await register()
    old = b'{"algorithm":"IForest","parameters":{},"feature_names":["age","tsh","t3"],"contamination":0.1,'
    old += b'"threshold":1.0,"n_train":9,"seed":0,"data_digest":"","dataset_id":"","dataset_version":"","versions":{}}'
    async with database.transaction() as connection:
        values = {"manifest": old, "content_digest": None}
        await connection.execute(sa.update(VERSIONS).where(VERSIONS.c.id == version["id"]).values(values))
    found = (await client.get(f"{path}/1")).json()
    assert (found["lineage"]["detector_name"], found["lineage"]["dataset_id"], found["notes"]) == (None, None, None)
    assert (len(found["columns"]), found["preprocessing"], found["labels"]) == (3, {}, {})
    assert (await predict()).json()["raw_score"] == 6


async def test_bytes_that_were_exchanged_under_a_former_releases_row_are_refused(
    *, register, predict, make_artefact, database, tmp_path: Path
) -> None:
    version = await register(1.0)
    async with database.transaction() as connection:
        here = VERSIONS.c.id == version["id"]
        await connection.execute(sa.update(VERSIONS).where(here).values(content_digest=None))
    exchange(tmp_path, make_artefact(2.0))
    answer = await predict()
    assert (answer.status_code, answer.json()["reason"]) == (500, "digest-mismatch")


def exchange(folder: Path, content: bytes) -> None:
    (file,) = folder.glob("default/models/*.zip")
    file.write_bytes(content)


async def test_notes_and_labels_are_changed_one_without_the_other(client, register, path) -> None:
    before = await register()
    noted = (await client.patch(f"{path}/1", json={"notes": "fewer false alarms\n"})).json()
    assert (noted["notes"], noted["labels"]) == ("fewer false alarms\n", {})
    assert (noted["created_at"], noted["updated_at"] > before["updated_at"]) == (before["created_at"], True)
    labelled = (await client.patch(f"{path}/latest", json={"labels": {"stage": "review", "team/a": "Ä"}})).json()
    assert (labelled["notes"], labelled["labels"]) == ("fewer false alarms\n", {"stage": "review", "team/a": "Ä"})
    emptied = (await client.patch(f"{path}/1", json={"notes": None, "labels": None})).json()
    assert (emptied["notes"], emptied["labels"]) == (None, {})


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"notes": "x" * 10_001}, "body.notes"),
        ({"notes": "a\x00b"}, "body.notes"),
        ({"labels": {"a b": "c"}}, "body.labels.a b.[key]"),
        ({"labels": {"a": "x" * 257}}, "body.labels.a"),
        ({"labels": {f"n{number}": "" for number in range(65)}}, "body.labels"),
        ({"metrics": {}}, "body.metrics"),
    ],
    ids=["long-notes", "nul", "label-name", "label-value", "many-labels", "immutable"],
)
async def test_what_cannot_be_noted_is_refused_by_its_field(client, register, path, said: Any, field: str) -> None:
    await register()
    answer = await client.patch(f"{path}/1", json=said)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


async def test_a_deleted_version_is_gone_and_the_latest_is_the_one_before(client, register, predict, path) -> None:
    await register(1.0)
    second = await register(2.0)
    assert (await predict()).json()["raw_score"] == 12
    assert (await client.delete(f"{path}/2")).status_code == 204
    assert (await predict()).json()["raw_score"] == 6
    for gone in ("2", second["id"]):
        assert (await predict(version=gone)).status_code == 404
        assert (await client.get(f"{path}/{gone}")).status_code == 404
    assert [item["version"] for item in (await client.get(path)).json()["items"]] == ["1"]
    assert (await client.get(f"{path}/latest")).json()["version"] == "1"
    assert (await register(3.0))["version"] == "3"  # a number is never given again


async def holders_of(client, path: str) -> list[tuple[str, str]]:
    answer = await client.delete(path)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (409, "/problems/still-named")
    for holder in problem["holders"]:
        assert holder["fix"] in problem["detail"]
    return [(holder["kind"], holder["name"]) for holder in problem["holders"]]


async def test_a_version_is_not_deleted_while_something_points_at_it(client, register, name, path) -> None:
    for slope in (1.0, 2.0, 3.0):
        await register(slope)
    model = f"/api/v1/models/{name}"
    await client.put(f"{model}/aliases/champion", json={"version": "2"})
    await client.put(f"{path}/2/pin")
    await client.put("/api/v1/models/default", json={"model_id": name, "version": "2"})
    assert await holders_of(client, f"{path}/champion") == [("alias", "champion"), ("default", "default"), ("pin", "2")]
    assert await holders_of(client, model) == [("alias", "champion"), ("default", "default"), ("pin", "2")]
    await client.put("/api/v1/models/default", json={"model_id": name})
    assert await holders_of(client, f"{path}/3") == [("default", "default")]
    await client.delete("/api/v1/models/default")
    await client.delete(f"{model}/aliases/champion")
    await client.delete(f"{path}/2/pin")
    for number in ("3", "2"):
        assert (await client.delete(f"{path}/{number}")).status_code == 204
    assert await holders_of(client, f"{path}/1") == [("model", name)]
    assert (await client.delete(model)).status_code == 204


async def test_an_alias_that_the_default_follows_is_not_removed(client, register, name) -> None:
    await register()
    alias = f"/api/v1/models/{name}/aliases/champion"
    await client.put(alias, json={"version": "1"})
    await client.put("/api/v1/models/default", json={"model_id": name, "version": "champion"})
    assert await holders_of(client, alias) == [("default", "default")]
    await client.delete("/api/v1/models/default")
    assert (await client.delete(alias)).status_code == 204


async def test_a_race_of_deletion_and_a_move_never_leaves_an_alias_at_nothing(
    *, client, make_app, make_client, register, name, path
) -> None:
    for slope in range(1, 7):
        await register(float(slope))
    alias = f"/api/v1/models/{name}/aliases/champion"
    async with make_client(make_app()) as other:
        for number in range(1, 6):
            moved, deleted = await asyncio.gather(
                client.put(alias, json={"version": str(number)}), other.delete(f"{path}/{number}")
            )
            left = (await client.get(f"/api/v1/models/{name}")).json()["aliases"].get("champion")
            if deleted.status_code == 204:
                assert moved.status_code == 404
                assert left != str(number)
            else:
                assert (deleted.status_code, moved.status_code, left) == (409, 200, str(number))
            if left is not None:
                assert (await client.get(f"{path}/{left}")).status_code == 200


def n_stored(folder: Path) -> int:
    return len(list(folder.glob("default/models/*.zip")))


async def test_the_bytes_of_a_deleted_version_go_when_they_are_old(
    *, client, register, database, path, tmp_path: Path
) -> None:
    await register(1.0)
    await register(2.0)
    await client.delete(f"{path}/2")
    repository, bucket = ModelRepository(database), Bucket(LocalStore(tmp_path))
    for kept, expected in ((timedelta(hours=24), 2), (timedelta(seconds=-1), 1)):
        await Sweep(repository, bucket, kept=kept).run()
        assert n_stored(tmp_path) == expected
    assert (await client.get(f"{path}/1/artefact")).status_code == 200
    assert (await register(3.0))["version"] == "3"
