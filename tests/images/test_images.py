"""Every image really starts: migrated, healthy, non-root, on a read-only file system, and ends when asked to."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from pynomaly_contracts.routes import Service
from pynomaly_scoring import generate_signing_key
from pynomaly_suite import Ports

if TYPE_CHECKING:
    from conftest import Until

TAG = os.environ.get("TAG", "dev")
POSTGRES = "docker.io/library/postgres:15-bookworm"
PASSWORD = "only-for-this-test"
DEADLINE_S = 60.0
TOOLS = ("gcc", "cc", "git", "uv", "make")
ENDED_AS_ASKED = (0, 143)  # 143: uvicorn passes SIGTERM on once it has drained
OTHERS = {service: [f"{other}_service" for other in Service if other is not service] for service in Service}
FORBIDDEN = {
    Service.DATASET: ["sklearn", "pyod", "pytest", *OTHERS[Service.DATASET]],
    Service.DETECTOR: ["pytest", "pynomaly_suite", *OTHERS[Service.DETECTOR]],
    Service.MODEL: ["sklearn", "pyod", "pandas", "pytest", *OTHERS[Service.MODEL]],
    Service.GATEWAY: ["numpy", "sklearn", "pyod", "pytest", *OTHERS[Service.GATEWAY]],
}


def engine() -> str:
    """The container engine of this machine."""
    found = shutil.which("podman") or shutil.which("docker")
    assert found, "install podman or Docker"
    return found


def runner() -> list[str]:
    """How a container is run here: by the tool that CLUSTER names, or by the engine itself."""
    cluster = os.environ.get("CLUSTER")
    return [cluster, "run-image"] if cluster else [engine(), "run", "--network", "host"]


class Container:
    """A container in the foreground of a child process."""

    def __init__(self, image: str, *command: str, options: tuple[str, ...] = ()) -> None:
        self.name = f"pynomaly-test-{secrets.token_hex(4)}"
        self.process = subprocess.Popen(
            [*runner(), "--rm", f"--name={self.name}", *options, image, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ended(self) -> tuple[int, str]:
        """Exit code and output, once it has ended."""
        output, _ = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, output

    def listens(self, port: int) -> bool:
        """Whether something answers on the port; AssertionError with its output once the container has ended."""
        assert self.process.poll() is None, self.ended()[1]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def stop(self) -> tuple[int, str]:
        """SIGTERM, as an orchestrator sends it."""
        subprocess.run([engine(), "kill", "--signal=TERM", self.name], check=True, capture_output=True)
        return self.ended()


@pytest.fixture
def database_url(until: "Until") -> Iterator[str]:
    """A PostgreSQL of the version that is promised to be enough, in a container too."""
    port = Ports.free().gateway
    names = ("POSTGRES_USER=owner", f"POSTGRES_PASSWORD={PASSWORD}", "POSTGRES_DB=service", f"PGPORT={port}")
    container = Container(POSTGRES, options=tuple(f"--env={name}" for name in names))
    try:
        until(lambda: container.listens(port))
        yield f"postgresql://owner:{PASSWORD}@127.0.0.1:{port}/service"
    finally:
        container.stop()


@pytest.fixture
def settings(database_url: str) -> Iterator[dict[str, str]]:
    """What a deployment would set; storage and the trusted keys are mounted."""
    with tempfile.TemporaryDirectory(prefix="pynomaly-image-") as name:
        folder = Path(name)
        for each in (folder, folder / "trusted", folder / "storage"):
            each.mkdir(exist_ok=True)
            each.chmod(0o777)  # the container's user is nobody here
        generate_signing_key(folder / "signing.pem", folder / "trusted" / "signing.pub.pem")
        yield {
            "DATABASE_URL": database_url,
            "HOST": "127.0.0.1",
            "PORT": str(Ports.free().gateway),
            "TRUSTED_KEYS_PATH": str(folder / "trusted"),
        }


def options(settings: dict[str, str]) -> tuple[str, ...]:
    trusted = settings["TRUSTED_KEYS_PATH"]
    environment = tuple(f"--env={name}={value}" for name, value in settings.items())
    storage = f"--volume={Path(trusted).with_name('storage')}:/var/lib/pynomaly"
    return ("--read-only", "--tmpfs=/tmp", storage, f"--volume={trusted}:{trusted}:ro", *environment)


@pytest.mark.parametrize("service", list(Service))
def test_an_image_migrates_serves_and_ends_on_sigterm(
    service: Service, settings: dict[str, str], until: "Until"
) -> None:
    image = f"docker.io/pynomaly/{service}-service:{TAG}"
    code, output = Container(image, "python", "-m", f"{service}_service", "migrate", options=options(settings)).ended()
    assert code == 0, output
    container = Container(image, options=options(settings))
    until(lambda: container.listens(int(settings["PORT"])))
    ready = httpx.get(f"http://127.0.0.1:{settings['PORT']}/health/ready")
    assert ready.json() == {"ready": True, "dependencies": {"database": True}}
    code, output = container.stop()
    assert code in ENDED_AS_ASKED, output
    assert "Traceback" not in output


@pytest.mark.parametrize("service", list(Service))
def test_an_image_runs_as_nobody_special_and_carries_no_tools_caches_or_other_services(service: Service) -> None:
    there = f"[p for p in {TOOLS!r} if shutil.which(p)] + [m for m in {FORBIDDEN[service]!r} if util.find_spec(m)]"
    look = f"import os, shutil; from importlib import util; print(os.getuid(), {there})"
    image = f"docker.io/pynomaly/{service}-service:{TAG}"
    code, output = Container(image, "python", "-c", look, options=("--read-only",)).ended()
    assert (code, output.strip()) == (0, "10001 []")
