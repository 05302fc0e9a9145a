"""An operator at work: settings read again and features switched, in a suite that runs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from pynomaly import Client, errors
from pynomaly_suite import Suite

Asked = Callable[..., dict[str, Any]]


@pytest.fixture
def asked(suite: Suite, pynomaly: Callable[..., Any]) -> Asked:
    """What `pynomaly admin` answers, by service."""

    def ask(*arguments: str, code: int = 0) -> dict[str, Any]:
        done = pynomaly("admin", *arguments, "--json", PYNOMALY_URL=suite.url, PYNOMALY_HOME=str(suite.home.root))
        assert done.returncode == code, done.stderr
        return {each["service"]: each for each in json.loads(done.stdout)["results"]}

    return ask


def test_a_limit_is_changed_in_every_service_without_a_restart(suite: Suite, client: Client, asked: Asked) -> None:
    pids = [suite.pid_of(name) for name in ("dataset", "detector", "model", "gateway")]
    table = b"a,b\n" + b"1,2\n" * 1000
    setting = suite.home.config / "MAX_UPLOAD_SIZE"
    setting.write_text("1000")
    try:
        told = asked("reload")
        assert told["dataset"]["answer"]["applied"][0]["new"] == "1000"
        assert told["detector"]["answer"]["applied"] == []
        with pytest.raises(errors.ApiError) as refused:
            client.datasets.upload(table, "limited")
        assert refused.value.problem.status == 413
    finally:
        setting.unlink()
        asked("reload")
    assert client.datasets.upload(table, "limited").n_rows == 1000
    assert pids == [suite.pid_of(name) for name in ("dataset", "detector", "model", "gateway")]


def test_one_wrong_value_is_named_by_every_service_that_has_it(suite: Suite, asked: Asked) -> None:
    setting = suite.home.config / "LOG_LEVEL"
    setting.write_text("LOUD")
    try:
        told = asked("reload", code=1)
    finally:
        setting.unlink()
    assert {each["problem"]["errors"][0]["field"] for each in told.values()} == {"LOG_LEVEL"}


def test_training_of_ensembles_is_switched_off_and_on(client: Client, asked: Asked) -> None:
    data = client.datasets.upload(b"a,b\n" + b"1,2\n3,4\n" * 20, "switched")
    detector = client.detectors.create("bagged", "FeatureBagging")
    told = asked("flags", "set", "ENSEMBLE_ENABLED", "off", "--reason", "a test")
    assert (told["detector"]["outcome"], told["model"]["outcome"]) == ("done", "not_concerned")
    try:
        with pytest.raises(errors.ApiError) as refused:
            client.detectors.train(detector.id, data.id)
        assert refused.value.problem.type == "/problems/feature-off"
    finally:
        asked("flags", "set", "ENSEMBLE_ENABLED", "setting")
    assert client.detectors.train(detector.id, data.id).id


def test_streams_are_switched_off_at_the_door(client: Client, asked: Asked) -> None:
    asked("flags", "set", "STREAMING_ENABLED", "off")
    try:
        with pytest.raises(errors.PynomalyError, match="STREAMING_ENABLED"):
            list(client.stream([{"a": 1.0}]))
    finally:
        asked("flags", "set", "STREAMING_ENABLED", "on")
