"""The service as a process: what it acknowledged outlives it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from model_service.settings import Settings


class Service:
    """A running `python -m model_service serve`."""

    def __init__(self, settings: Settings, *, file_limit_kib: int | None = None) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = int(free.getsockname()[1])
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": settings.database_url.get_secret_value(),
            "STORAGE_PATH": str(settings.storage_path),
            "TRUSTED_KEYS_PATH": str(settings.trusted_keys_path),
            "PORT": str(port),
        }
        limit = f"ulimit -f {file_limit_kib}; " if file_limit_kib else ""
        command = ["bash", "-c", f"{limit}exec {sys.executable} -m model_service serve"]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)

    def wait_until_ready(self) -> "Service":
        """A start says so in its log; nothing is polled."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if b"Uvicorn running" in line:
                return self
        raise AssertionError(f"the service ended with {self.process.wait()}")

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.client.close()
        return code


@pytest.fixture
def services(make_settings) -> Iterator[list[Service]]:
    """Two in turn, over the same database and store."""
    made: list[Service] = []
    yield made
    for service in made:
        if service.process.poll() is None:
            service.end(signal.SIGKILL)


def test_a_version_that_was_acknowledged_outlives_kill_9(services, make_settings, make_artefact, name) -> None:
    first = Service(make_settings()).wait_until_ready()
    services.append(first)
    headers = {"content-type": "application/zip"}
    made = first.client.post(f"/api/v1/models/{name}/versions", content=make_artefact(), headers=headers)
    first.client.post(f"/api/v1/models/{name}/load", json={})
    assert made.status_code == 201
    assert first.end(signal.SIGKILL) == -signal.SIGKILL

    second = Service(make_settings()).wait_until_ready()
    services.append(second)
    scored = second.client.post("/api/v1/predict", json={"data": [1, 2, 3], "model_id": name})
    assert (scored.json()["raw_score"], scored.json()["model_version"]) == (6, "1")
    assert second.end(signal.SIGTERM) == -signal.SIGTERM


def test_a_full_disk_is_a_507_that_leaves_nothing(services, make_settings, make_artefact, name, tmp_path: Path) -> None:
    service = Service(make_settings(), file_limit_kib=64).wait_until_ready()
    services.append(service)
    headers, path = {"content-type": "application/zip"}, f"/api/v1/models/{name}/versions"
    large = make_artefact(ballast_bytes=200_000)
    answer = service.client.post(path, content=large, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (507, "/problems/storage-full")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert service.client.post(path, content=make_artefact(), headers=headers).status_code == 201


def test_a_service_that_trusts_nobody_does_not_start(services, make_settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    service = Service(make_settings(trusted_keys_path=tmp_path / "empty"))
    services.append(service)
    output, _ = service.process.communicate(timeout=30)
    assert service.process.returncode == 3  # uvicorn: start-up failed
    assert b"holds no *.pem file" in output
