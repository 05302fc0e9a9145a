"""Models, versions and aliases: what is sent, and what is made of the answers."""

import hashlib
import json
from typing import Any

import pytest
from pynomaly import Client
from pynomaly.cli.app import run
from pynomaly.errors import ArtefactRefused, InvalidInput

ID = "01890000-0000-7000-8000-000000000001"
NOW = "2026-01-01T00:00:00Z"
MODEL = "/api/v1/models/thyroid"
BYTES = b"a signed zip"


def model_body() -> dict[str, Any]:
    about = {"name": "thyroid", "latest_version": "2", "aliases": {"champion": "2"}, "is_default": False}
    return {"id": ID, "created_at": NOW, "updated_at": NOW, **about}


def version_body(**changes: Any) -> dict[str, Any]:
    body = {
        "id": ID,
        "created_at": NOW,
        "updated_at": NOW,
        "model_id": ID,
        "model_name": "thyroid",
        "version": "2",
        "algorithm": "IForest",
        "parameters": {},
        "feature_names": ["a"],
        "contamination": 0.1,
        "threshold": 0.5,
        "n_train": 3,
        "seed": 0,
        "data_digest": "",
        "digest": hashlib.sha256(BYTES).hexdigest(),
        "n_bytes": 12,
        "signed_by": "",
        "versions": {},
    }
    return {**body, **changes}


MOVE = {"id": ID, "alias": "champion", "from_version": "1", "to_version": "2", "at": NOW, "by": "default"}
ALIAS = {"alias": "champion", "version": "2", "version_id": ID}


@pytest.fixture
def suite(peer, says, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYNOMALY_URL", peer.url)
    monkeypatch.setenv("COLUMNS", "200")
    for method, path, body in (
        ("GET", f"{MODEL}/versions/champion", version_body()),
        ("GET", f"{MODEL}/versions/2", version_body(notes="kept", labels={"stage": "review"})),
        ("PATCH", f"{MODEL}/versions/2", version_body(notes="new")),
        ("PUT", f"{MODEL}/aliases/champion", model_body()),
        ("GET", f"{MODEL}/aliases", {"items": [ALIAS]}),
        ("GET", f"{MODEL}/aliases/champion/history", {"items": [{**MOVE, "reason": "better"}]}),
        ("GET", f"/api/v1/models/{ID}/versions/2/artefact", BYTES),
        ("DELETE", f"{MODEL}/versions/2", None),
    ):
        peer.says(method, path, says(body))
    return peer


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ({}, {"version": "2", "reason": None}),
        ({"expected_version": "1", "reason": "better"}, {"version": "2", "expected_version": "1", "reason": "better"}),
        ({"expected_version": None}, {"version": "2", "expected_version": None, "reason": None}),
    ],
    ids=["whatever", "from", "new"],
)
def test_an_alias_is_moved_with_what_is_expected(suite, said: Any, sent: Any) -> None:
    with Client() as client:
        client.models.set_alias("thyroid", "champion", "2", **said)
    assert suite.asked[-1].json() == sent


def test_a_download_takes_the_bytes_of_the_version_whose_digest_it_knows(suite, tmp_path) -> None:
    with Client() as client:
        assert client.models.download("thyroid", "champion", tmp_path / "a.zip").read_bytes() == BYTES
    assert suite.paths()[-1] == f"GET /api/v1/models/{ID}/versions/2/artefact"


def test_other_bytes_are_refused_and_no_file_is_left(suite, says, tmp_path) -> None:
    suite.says("GET", f"/api/v1/models/{ID}/versions/2/artefact", says(b"a signed zap"))
    with Client() as client, pytest.raises(ArtefactRefused, match="SHA-256"):
        client.models.download("thyroid", "champion", tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_notes_are_changed_by_what_is_named_alone(suite) -> None:
    with Client() as client:
        client.models.update_version("thyroid", "2", notes=None)
        assert suite.asked[-1].json() == {"notes": None}
        with pytest.raises(InvalidInput, match="metrics"):
            client.models.update_version("thyroid", "2", metrics={})


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        (["notes", "thyroid", "2"], None),
        (["notes", "thyroid", "2", "new"], {"notes": "new"}),
        (["notes", "thyroid", "2", "", "--label", "stage=live"], {"notes": None, "labels": {"stage": "live"}}),
        (["notes", "thyroid", "2", "--label", ""], {"labels": {}}),
        (["alias", "set", "thyroid", "champion", "2", "--expect", "none"], {"version": "2", "expected_version": None}),
    ],
    ids=["say", "notes", "both", "no-labels", "alias"],
)
def test_the_command_sends_what_is_said(suite, arguments: list[str], sent: Any) -> None:
    assert run(["models", *arguments, "--json"]) == 0
    body = suite.asked[-1].body
    assert (body and {**json.loads(body), "reason": None}) == (b"" if sent is None else {**sent, "reason": None})


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["alias", "history", "thyroid", "champion"], "better"),
        (["alias", "list", "thyroid"], "champion"),
        (["notes", "thyroid", "2"], "kept"),
        (["show", "thyroid", "--version", "2"], "lineage"),
    ],
    ids=["history", "aliases", "notes", "version"],
)
def test_people_get_a_table(suite, capsys, arguments: list[str], shown: str) -> None:
    assert run(["models", *arguments]) == 0
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize("shown", ["list", "history"])
def test_people_read_moves_to_the_second(suite, says, capsys, shown: str) -> None:
    exactly = "2026-01-01T00:00:00.123456Z"
    suite.says("GET", f"{MODEL}/aliases", says({"items": [{**ALIAS, "at": exactly}]}))
    suite.says("GET", f"{MODEL}/aliases/champion/history", says({"items": [{**MOVE, "at": exactly}]}))
    assert run(["models", "alias", shown, "thyroid", *(["champion"] if shown == "history" else [])]) == 0
    (cell,) = [word for word in capsys.readouterr().out.split() if word.startswith("2026")]
    assert cell == "2026-01-01T00:00:00"


def test_the_command_downloads_and_deletes_a_version(suite, tmp_path) -> None:
    output = tmp_path / "a.zip"
    assert run(["models", "download", "thyroid", "champion", "--output", str(output)]) == 0
    assert output.read_bytes() == BYTES
    assert run(["models", "delete", "thyroid", "--version", "2"]) == 0
    assert suite.paths()[-1] == f"DELETE {MODEL}/versions/2"
