"""`client.admin` and `pynomaly admin`."""

import json
import os
import socket
from pathlib import Path

import pytest
from pynomaly import Client, errors
from pynomaly.cli.admin import who_asks
from pynomaly.cli.app import run
from pynomaly_suite.keys import ensure_admin_token
from pynomaly_suite.layout import Home

TOKEN = "t" * 32
RELOAD, FLAGS = "/api/v1/admin/reload-config", "/api/v1/admin/feature-flags"
DONE = {
    "service": "x",
    "generation": 2,
    "applied": [{"name": "LOG_LEVEL", "old": "INFO", "new": "DEBUG"}],
    "unchanged": [],
    "needs_restart": [{"name": "PORT", "old": "1", "new": "2"}],
    "overridden": [],
    "unknown": ["LOG_LEVLE"],
    "replaced": [],
}
FLAG = {"name": "STREAMING_ENABLED", "enabled": False, "heeded": True, "source": "change", "meaning": "x"}
PROBLEM = {"type": "/problems/unavailable", "title": "x", "status": 503, "detail": "the model service is away"}


@pytest.fixture
def suite(peer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYNOMALY_URL", peer.url)
    monkeypatch.setenv("ADMIN_TOKEN", TOKEN)
    monkeypatch.setenv("COLUMNS", "200")
    return peer


def test_the_token_travels_as_a_bearers(suite, says) -> None:
    suite.says("POST", RELOAD, says({"results": [{"service": "model", "outcome": "done", "answer": DONE}]}))
    with Client(suite.url) as client:
        (result,) = client.admin.reload_config("model", token=TOKEN).results
    (asked,) = suite.asked
    assert (asked.headers["authorization"], asked.query) == (f"Bearer {TOKEN}", {"service": ["model"]})
    assert result.outcome == "done"


def test_a_flag_that_there_is_not_is_refused_before_anything_is_sent(suite) -> None:
    with Client(suite.url) as client, pytest.raises(errors.InvalidInput, match="flags"):
        client.admin.set_feature_flags({"STREAMIN_ENABLED": True}, token=TOKEN)
    assert not suite.asked


def test_a_reload_says_what_changed_what_waits_and_what_is_unknown(suite, says, capsys) -> None:
    suite.says("POST", RELOAD, says({"results": [{"service": "model", "outcome": "done", "answer": DONE}]}))
    assert run(["admin", "reload"]) == 0
    shown = capsys.readouterr().out
    for line in ("LOG_LEVEL: INFO -> DEBUG", "PORT: needs a restart", "LOG_LEVLE: no setting of this service"):
        assert line in shown


def test_a_service_that_failed_is_exit_code_1_beside_the_others(suite, says, capsys) -> None:
    failed = {"service": "model", "outcome": "failed", "problem": PROBLEM}
    done = {"service": "dataset", "outcome": "done", "answer": DONE}
    suite.says("POST", RELOAD, says({"results": [done, failed]}, 207))
    assert run(["admin", "reload", "--service", "all"]) == 1
    assert "the model service is away" in capsys.readouterr().out


def test_a_flag_is_set_with_who_and_why(suite, says, capsys) -> None:
    answer = {"service": "model", "items": [FLAG]}
    suite.says("PATCH", FLAGS, says({"results": [{"service": "model", "outcome": "done", "answer": answer}]}))
    assert run(["admin", "flags", "set", "streaming_enabled", "off", "--reason", "load", "--json"]) == 0
    sent = suite.asked[0].json()
    assert (sent["flags"], sent["reason"], "@" in sent["by"]) == ({"STREAMING_ENABLED": False}, "load", True)
    assert json.loads(capsys.readouterr().out)["results"][0]["answer"]["items"][0]["enabled"] is False


def test_a_user_without_a_name_as_in_a_container_is_told_by_number() -> None:
    def user_name() -> str:
        raise KeyError("getpwuid(): uid not found: 54321")

    assert who_asks(user_name) == f"{os.getuid()}@{socket.gethostname()}"


def test_the_suite_of_this_machine_keeps_the_token_for_its_owner_alone(
    suite, says, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ADMIN_TOKEN")
    monkeypatch.setenv("PYNOMALY_HOME", str(tmp_path))
    home = Home(tmp_path)
    home.create()
    ensure_admin_token(home)
    kept = home.admin_token.read_text()
    ensure_admin_token(home)
    assert (home.admin_token.read_text(), home.admin_token.stat().st_mode & 0o777, len(kept) >= 32) == (
        kept,
        0o600,
        True,
    )
    suite.says("GET", FLAGS, says({"results": []}))
    assert run(["admin", "flags", "list"]) == 0
    assert suite.asked[0].headers["authorization"] == f"Bearer {kept}"


def test_without_a_token_the_command_says_where_one_comes_from(
    suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.delenv("ADMIN_TOKEN")
    monkeypatch.setenv("PYNOMALY_HOME", str(tmp_path))
    assert run(["admin", "reload"]) == 2
    assert "set ADMIN_TOKEN" in capsys.readouterr().err


def test_the_token_of_this_machines_suite_stays_on_this_machine(
    suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.delenv("ADMIN_TOKEN")
    monkeypatch.setenv("PYNOMALY_HOME", str(tmp_path))
    monkeypatch.setenv("PYNOMALY_URL", "http://pynomaly.invalid")
    home = Home(tmp_path)
    home.create()
    ensure_admin_token(home)
    assert run(["admin", "reload"]) == 2
    assert "ADMIN_TOKEN is needed" in capsys.readouterr().err
