"""The service as a process: what it acknowledged outlives it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import grpc
import httpx
import pytest
from model_service.settings import Settings
from open_inference.grpc import protocol, service
from pynomaly_suite.service_process import ServiceProcess

ZIPPED = {"content-type": "application/zip"}
Start = Callable[..., tuple[ServiceProcess, httpx.Client]]


def environment_of(settings: Settings) -> dict[str, str]:
    return {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "STORAGE_PATH": str(settings.storage_path),
        "TRUSTED_KEYS_PATH": str(settings.trusted_keys_path),
        "MODEL_RESOLVE_TIMEOUT_S": str(settings.model_resolve_timeout_s),
        "MAX_QUEUE_WAIT_S": str(settings.max_queue_wait_s),
    }


@pytest.fixture
def start(make_settings, start_service) -> Iterator[Start]:
    """A process and a client of it, always over the same database and store."""
    with ExitStack() as clients:

        def begin(*, file_limit_kib: int | None = None, **told: str) -> tuple[ServiceProcess, httpx.Client]:
            process = start_service("model", environment_of(make_settings()) | told, file_limit_kib=file_limit_kib)
            return process, clients.enter_context(httpx.Client(base_url=process.url, timeout=30))

        yield begin


def test_a_version_that_was_acknowledged_outlives_kill_9(start: Start, make_artefact, name) -> None:
    first, client = start()
    made = client.post(f"/api/v1/models/{name}/versions", content=make_artefact(), headers=ZIPPED)
    client.post(f"/api/v1/models/{name}/load", json={})
    assert made.status_code == 201
    assert first.end(signal.SIGKILL) == -signal.SIGKILL

    second, client = start()
    scored = client.post("/api/v1/predict", json={"data": [1, 2, 3], "model_id": name})
    assert (scored.json()["raw_score"], scored.json()["model_version"]) == (6, "1")
    assert second.end(signal.SIGTERM) == -signal.SIGTERM


def until_standing(client: httpx.Client, path: str, **wanted: str) -> None:
    """Waits until the version's state in this replica is as wanted."""
    deadline_s = time.monotonic() + 60
    while not wanted.items() <= client.get(path).json().items():
        assert time.monotonic() < deadline_s, client.get(path).json()
        client.get("/health/db")


def test_replicas_follow_loads_and_pins_also_those_that_were_made_while_they_were_down(
    start: Start, make_artefact, name
) -> None:
    (_, one), (other_process, other) = start(), start()
    model = f"/api/v1/models/{name}"
    for slope in (1.0, 2.0):
        one.post(f"{model}/versions", content=make_artefact(slope), headers=ZIPPED)
    first, second = (f"{model}/versions/{number}/serving" for number in (1, 2))
    one.put(f"{model}/versions/1/pin")
    until_standing(other, first, desired="pinned", state="loaded")
    assert other.get(first).json()["replica"] != one.get(first).json()["replica"]

    assert other_process.end(signal.SIGKILL) == -signal.SIGKILL
    one.delete(f"{model}/versions/1/pin")
    one.post(f"{model}/load", json={"version": "2"})
    _, other = start()
    until_standing(other, second, desired="loaded", state="loaded")
    assert other.get(first).json()["state"] == "absent"
    one.delete(f"{model}/unload")
    until_standing(other, second, desired="on_demand", state="absent")


def test_a_version_is_scored_over_grpc_until_the_service_is_told_to_end(start: Start, make_artefact, name) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = int(free.getsockname()[1])
    process, client = start(GRPC_PORT=str(port))
    client.post(f"/api/v1/models/{name}/versions", content=make_artefact(), headers=ZIPPED)
    rows = {"name": "rows", "datatype": "FP64", "shape": [1, 3], "contents": {"fp64_contents": [1, 2, 3]}}
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = service.GRPCInferenceServiceStub(channel)
        answer = stub.ModelInfer(protocol.ModelInferRequest(model_name=name, inputs=[rows]), timeout=30)
        assert list(answer.outputs[0].contents.fp64_contents) == [6]
        assert process.end(signal.SIGTERM) == -signal.SIGTERM


def test_a_full_disk_is_a_507_that_leaves_nothing(start: Start, make_artefact, name, tmp_path: Path) -> None:
    _, client = start(file_limit_kib=64)
    path, large = f"/api/v1/models/{name}/versions", make_artefact(ballast_bytes=200_000)
    answer = client.post(path, content=large, headers=ZIPPED)
    assert (answer.status_code, answer.json()["type"]) == (507, "/problems/storage-full")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert client.post(path, content=make_artefact(), headers=ZIPPED).status_code == 201


def test_a_service_that_trusts_nobody_does_not_start(make_settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    environment = environment_of(make_settings(trusted_keys_path=tmp_path / "empty")) | {"PORT": "0"}
    command = [sys.executable, "-m", "model_service", "serve"]
    given = {"PATH": os.environ["PATH"], **environment}
    ended = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 3  # uvicorn: start-up failed
    assert "holds no *.pem file" in ended.stdout + ended.stderr
