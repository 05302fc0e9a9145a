"""`pynomaly keys` on a home of its own."""

import json
from pathlib import Path
from typing import Any

import pytest
from pynomaly.cli.app import run
from pynomaly_suite.keys import ensure_signing_key
from pynomaly_suite.layout import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PYNOMALY_HOME", str(tmp_path))
    return Home(tmp_path)


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["keys", "list", "--json"]) == 0
    return {key["hint"]: key["state"] for key in json.loads(capsys.readouterr().out)["items"]}


def test_a_key_is_rotated_and_then_revoked(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    ensure_signing_key(home)
    (old,) = listed(capsys)
    assert run(["keys", "rotate", "--json"]) == 0
    new = json.loads(capsys.readouterr().out)["hint"]
    assert listed(capsys) == {old: "trusted", new: "signs"}
    assert run(["keys", "revoke", old[:16]]) == 0
    assert f"{old[:16]} is revoked" in capsys.readouterr().err
    assert listed(capsys) == {old: "revoked", new: "signs"}


def test_a_start_after_that_changes_nothing(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    ensure_signing_key(home)
    (old,) = listed(capsys)
    run(["keys", "rotate"])
    run(["keys", "revoke", old])
    before = listed(capsys)
    ensure_signing_key(home)
    assert listed(capsys) == before


def test_the_key_that_signs_is_not_revoked(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    ensure_signing_key(home)
    (hint,) = listed(capsys)
    assert run(["keys", "revoke", hint]) == 2
    assert "rotate first" in capsys.readouterr().err


def test_people_see_a_table(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    ensure_signing_key(home)
    assert run(["keys", "list"]) == 0
    shown = capsys.readouterr().out
    assert "signs" in shown
    assert "signing.pub.pem" in shown


@pytest.mark.parametrize("command", [["list"], ["rotate"], ["revoke", "ab"]], ids=lambda command: command[0])
def test_without_keys_the_message_says_what_makes_them(
    home: Home, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert run(["keys", *command]) == 2
    assert "pynomaly up" in capsys.readouterr().err
