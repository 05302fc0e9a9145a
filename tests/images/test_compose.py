"""The compose file starts the suite in order, and a prediction goes through its door."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from pynomaly_chassis.replaced import replaced_in
from pynomaly_chassis.settings import MIN_TOKEN_CHARS

if TYPE_CHECKING:
    from tests.images.conftest import Compose

ROOT = Path(__file__).parents[2]
PRODUCTION = ("-f", "docker-compose.yml", "-f", "docker-compose.prod.yml")
SERVICES = {"dataset-service", "detector-service", "detector-worker", "model-service", "gateway-service"}


def _config(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    command = [str(ROOT / "tools" / "compose"), *arguments, "config", "--format", "json"]
    return subprocess.run(command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False)


@pytest.mark.timeout(600)
def test_the_compose_file_is_valid() -> None:
    done = _config("-f", "docker-compose.yml")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(orjson.loads(done.stdout)["services"]) >= SERVICES


@pytest.mark.timeout(600)
def test_no_service_is_given_a_setting_that_does_nothing() -> None:
    found = orjson.loads(_config("-f", "docker-compose.yml").stdout)["services"]
    idle = {name: replaced_in(found[name]["environment"], heeded=()) for name in SERVICES}
    assert idle == {name: [] for name in SERVICES}


@pytest.mark.timeout(600)
def test_whoever_has_the_admin_token_is_heard_by_every_service() -> None:
    found = orjson.loads(_config("-f", "docker-compose.yml").stdout)
    told = {
        name: (service["environment"].get("ADMIN_TOKEN_FILE"), [each["source"] for each in service.get("secrets", ())])
        for name, service in found["services"].items()
        if name in SERVICES - {"detector-worker"}
    }
    assert {path for path, _ in told.values()} == {"/run/secrets/admin_token"}
    assert all("admin_token" in secrets for _, secrets in told.values()), told
    token = Path(found["secrets"]["admin_token"]["file"]).read_text().strip()
    assert len(token) >= MIN_TOKEN_CHARS


@pytest.mark.timeout(600)
def test_production_has_replicas_limits_and_secrets_of_its_own(tmp_path: Path) -> None:
    done = _config(*PRODUCTION, SECRETS=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    found = orjson.loads(done.stdout)
    assert all(service["deploy"]["resources"]["limits"]["memory"] for service in found["services"].values())
    assert {name: found["services"][name]["deploy"].get("replicas", 1) for name in SERVICES} == {
        "dataset-service": 2,
        "detector-service": 2,
        "detector-worker": 2,
        "model-service": 2,
        "gateway-service": 1,
    }
    assert {str(Path(secret["file"]).parent) for secret in found["secrets"].values()} == {str(tmp_path)}


@pytest.mark.timeout(600)
def test_production_does_not_start_with_the_secrets_that_everybody_knows() -> None:
    done = _config(*PRODUCTION)
    assert done.returncode != 0
    assert "SECRETS" in done.stderr


@pytest.mark.timeout(600)
def test_the_suite_of_the_compose_file_passes_the_tour_through_its_door(compose: "Compose", tmp_path: Path) -> None:
    started = compose("up", "--wait", "--no-build")
    assert started.returncode == 0, started.stderr + compose("logs").stdout
    containers = compose.containers()
    _assert_steps_came_first(containers)
    for name, container in containers.items():
        assert container["HostConfig"]["ReadonlyRootfs"], name
        assert container["Config"]["User"] in {"10001:10001", "postgres", "redis"}, name
    toured = _tour(f"http://127.0.0.1:{compose.environment['GATEWAY_PORT']}", tmp_path)
    assert toured.returncode == 0, toured.stdout
    kept = compose("exec", "s3", "find", "/data/pynomaly/default", "-type", "f").stdout
    assert {name for name in ("datasets", "models") if f"/{name}/" in kept} == {"datasets", "models"}


def _tour(url: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """The tour uploads, trains, evaluates and scores; it fails where the detector does not find what it should."""
    environment = os.environ | {"PYNOMALY_URL": url, "PYNOMALY_TOUR_PNG": str(folder / "tour.png")}
    command = [sys.executable, str(ROOT / "examples" / "tour.py")]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def _assert_steps_came_first(containers: dict[str, Any]) -> None:
    """Each step ended well, before what needs it began."""
    for service in ("dataset", "detector", "model", "gateway"):
        step, served = containers[f"{service}-migrate"]["State"], containers[f"{service}-service"]["State"]
        assert step["ExitCode"] == 0
        assert step["FinishedAt"] <= served["StartedAt"]
    assert containers["signing-key"]["State"]["FinishedAt"] <= containers["model-service"]["State"]["StartedAt"]
