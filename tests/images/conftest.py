"""Containers of this machine: by Docker, by podman, or by the tool that CLUSTER names."""

import os
import resource
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import orjson
import pytest
from pynomaly_suite import Ports

ROOT = Path(__file__).parents[2]
TAG = os.environ.get("TAG", "dev")
DEADLINE_S = 60.0
Run = Callable[..., "Container"]


def _engine() -> str:
    """The container engine of this machine."""
    found = shutil.which("podman") or shutil.which("docker")
    assert found, "install podman or Docker"
    return found


def runner() -> list[str]:
    """How a container is run here: by the tool that CLUSTER names, or by the engine itself."""
    cluster = os.environ.get("CLUSTER")
    return [cluster, "run-image"] if cluster else [_engine(), "run", "--network", "host"]


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

    def execute(self, *command: str) -> tuple[int, str]:
        """Exit code and output of a command inside."""
        done = subprocess.run([_engine(), "exec", self.name, *command], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def signal(self) -> None:
        """SIGTERM, as an orchestrator sends it."""
        subprocess.run([_engine(), "kill", "--signal=TERM", self.name], check=True, capture_output=True)

    def stop(self) -> tuple[int, str]:
        """SIGTERM, and how it ended."""
        self.signal()
        return self.ended()


@pytest.fixture
def engine() -> str:
    return _engine()


@pytest.fixture
def tag() -> str:
    return TAG


@pytest.fixture
def run() -> Iterator[Run]:
    """Start containers; an image of ours by its last name. What still runs at the end is stopped."""
    started: list[Container] = []

    def start(image: str, *command: str, options: tuple[str, ...] = ()) -> Container:
        name = image if "/" in image else f"docker.io/pynomaly/{image}:{TAG}"
        started.append(Container(name, *command, options=options))
        return started[-1]

    yield start
    for container in reversed(started):
        if container.process.poll() is None:
            container.stop()


class Compose:
    """The project of docker-compose.yml under a name of its own."""

    def __init__(self, environment: dict[str, str], *files: Path) -> None:
        self.name = f"pynomaly-test-{secrets.token_hex(4)}"
        self.environment = environment
        self._files = [word for file in (ROOT / "docker-compose.yml", *files) for word in ("-f", str(file))]

    def __call__(self, *arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        command = [str(ROOT / "tools" / "compose"), "-p", self.name, *self._files, *arguments]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def containers(self) -> dict[str, dict[str, Any]]:
        """What the engine says of each container, by its service."""
        found = self._ask("ps", "-aq", "--filter", f"label=com.docker.compose.project={self.name}").split()
        inspected = orjson.loads(self._ask("inspect", *found)) if found else []
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in inspected}

    def check_health(self) -> None:
        """What systemd's timers do for podman where there is systemd."""
        for container in self.containers().values():
            if container["State"]["Running"] and container["Config"].get("Healthcheck"):
                self._ask("healthcheck", "run", container["Id"], check=False)

    def _ask(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [_engine(), *arguments], env=self.environment, stdout=subprocess.PIPE, text=True, check=check
        )
        return done.stdout


@pytest.fixture(scope="session")
def engine_environment() -> Iterator[dict[str, str]]:
    """The environment in which `docker compose` finds an engine: Docker's, else a podman service of our own."""
    environment = {**os.environ, "TAG": TAG}
    if Path(_engine()).name == "docker":
        yield environment
        return
    with tempfile.TemporaryDirectory(prefix="pynomaly-podman-") as folder, _podman(Path(folder)) as settings:
        yield environment | settings


@contextmanager
def _podman(folder: Path) -> Iterator[dict[str, str]]:
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    (folder / "containers.conf").write_text(
        f"""[containers]
default_ulimits = ["nofile={limit}:{limit}", "nproc=4096:4096"] # never above today's
[network]
network_backend = "netavark"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
    )
    address = f"unix://{folder}/podman.sock"
    settings = {"CONTAINERS_CONF": str(folder / "containers.conf"), "DOCKER_HOST": address}
    service = subprocess.Popen(
        [_engine(), "system", "service", "--time=0", address], env=os.environ | settings, stderr=subprocess.DEVNULL
    )
    try:
        _until_it_listens(service, folder / "podman.sock")
        yield settings
    finally:
        service.terminate()
        service.wait(DEADLINE_S)


def _until_it_listens(service: "subprocess.Popen[bytes]", path: Path) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as tried, suppress(OSError):
            tried.connect(str(path))
            return
        with suppress(subprocess.TimeoutExpired):
            raise RuntimeError(f"podman's service ended with {service.wait(0.1)}")
    raise TimeoutError(f"podman's service does not listen at {path}")


@pytest.fixture
def compose(engine_environment: dict[str, str]) -> Iterator[Compose]:
    """The compose file with a free port for its door; all of it is gone after the test."""
    files = [Path(__file__).with_name("stand-in.yml")] if "CLUSTER" in os.environ else []
    project = Compose(engine_environment | {"GATEWAY_PORT": str(Ports.free().gateway)}, *files)
    over = Event()
    timer = Thread(target=_health_checks, args=(project, over))
    if Path(_engine()).name == "podman":
        timer.start()
    yield project
    over.set()
    if timer.ident:
        timer.join()
    project("down", "--volumes", "--timeout", "10")


def _health_checks(project: Compose, over: Event) -> None:
    while not over.wait(1):
        project.check_health()
