"""Every image really starts: migrated, healthy, non-root, on a read-only file system, and ends when asked to."""

import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import httpx
import orjson
import pytest
from pynomaly_contracts.routes import Service
from pynomaly_scoring import generate_signing_key
from pynomaly_suite import Ports

if TYPE_CHECKING:
    from tests.conftest import Until
    from tests.images.conftest import Container, Run

POSTGRES = "docker.io/library/postgres:15-bookworm"
PASSWORD = "only-for-this-test"
ENDED_AS_ASKED = (0, 143)  # 143: uvicorn passes SIGTERM on once it has drained
OTHERS = {service: [f"{other}_service" for other in Service if other is not service] for service in Service}
FORBIDDEN = {
    Service.DATASET: ["sklearn", "pyod", "pytest", *OTHERS[Service.DATASET]],
    Service.DETECTOR: ["pytest", "pynomaly_suite", *OTHERS[Service.DETECTOR]],
    Service.MODEL: ["sklearn", "pyod", "pandas", "pytest", *OTHERS[Service.MODEL]],
    Service.GATEWAY: ["numpy", "sklearn", "pyod", "pytest", *OTHERS[Service.GATEWAY]],
}
MOST_MIB = {Service.DATASET: 750, Service.DETECTOR: 1300, Service.MODEL: 700, Service.GATEWAY: 400}
# What was found where it should not be, one a line.
LOOK = """
import os, shutil, sys
from importlib import util
from pathlib import Path
tools = [name for name in ("gcc", "cc", "git", "uv", "make") if shutil.which(name)]
modules = [name for name in sys.argv[1:] if util.find_spec(name)]
left = [name for name in ("/src", "/wheels", "/opt/build", "/root/.cache") if os.path.exists(name)]
PUBLIC = ("cacert.pem", "roots.pem")  # certificates of authorities, which certifi and grpcio bring along
secret = [name for name in os.environ if name.endswith(("PASSWORD", "TOKEN", "SECRET", "ACCESS_KEY"))]
ours = [path for root in ("/opt/pynomaly", "/var/lib/pynomaly") for path in Path(root).rglob("*")]
files = [path for path in ours if path.suffix in (".pem", ".key", ".env") and path.name not in PUBLIC]
folders = [path for path in ours if path.name in ("tests", ".git", ".cache") and path.is_dir()]
print(os.getuid(), *tools, *modules, *left, *secret, *files, *folders)
"""


@pytest.fixture
def database_url(run: "Run", until: "Until") -> str:
    """A PostgreSQL of the version that is promised to be enough, in a container too."""
    port = Ports.free().gateway
    names = ("POSTGRES_USER=owner", f"POSTGRES_PASSWORD={PASSWORD}", "POSTGRES_DB=service", f"PGPORT={port}")
    container = run(POSTGRES, options=tuple(f"--env={name}" for name in names))
    until(lambda: container.listens(port))
    return f"postgresql://owner:{PASSWORD}@127.0.0.1:{port}/service"


@pytest.fixture
def settings(database_url: str) -> Iterator[dict[str, str]]:
    """What a deployment would set; storage, secrets and the trusted keys are mounted."""
    with tempfile.TemporaryDirectory(prefix="pynomaly-image-") as name:
        folder = Path(name)
        for each in (folder, folder / "trusted", folder / "storage"):
            each.mkdir(exist_ok=True)
            each.chmod(0o777)  # the container's user is nobody here
        generate_signing_key(folder / "signing.pem", folder / "trusted" / "signing.pub.pem")
        (folder / "trusted" / "database-url").write_text(database_url)
        yield {
            "DATABASE_URL_FILE": str(folder / "trusted" / "database-url"),
            "HOST": "127.0.0.1",
            "PORT": str(Ports.free().gateway),
            "TRUSTED_KEYS_PATH": str(folder / "trusted"),
        }


def options(settings: dict[str, str]) -> tuple[str, ...]:
    trusted = settings["TRUSTED_KEYS_PATH"]
    environment = tuple(f"--env={name}={value}" for name, value in settings.items())
    storage = f"--volume={Path(trusted).with_name('storage')}:/var/lib/pynomaly"
    return ("--read-only", "--tmpfs=/tmp", storage, f"--volume={trusted}:{trusted}:ro", *environment)


@pytest.fixture
def serving(run: "Run", settings: dict[str, str], until: "Until") -> "Callable[[str], Container]":
    """Migrate and serve a service by its image."""

    def start(service: str) -> "Container":
        image, given = f"{service}-service", options(settings)
        code, output = run(image, "python", "-m", f"{service}_service", "migrate", options=given).ended()
        assert code == 0, output
        container = run(image, options=given)
        until(lambda: container.listens(int(settings["PORT"])))
        return container

    return start


@pytest.mark.parametrize("service", list(Service))
def test_an_image_migrates_serves_and_ends_on_sigterm(
    service: Service, serving: "Callable[[str], Container]", settings: dict[str, str]
) -> None:
    container = serving(service.value)
    ready = httpx.get(f"http://127.0.0.1:{settings['PORT']}/health/ready")
    assert ready.json() == {"ready": True, "dependencies": {"database": True}}
    assert container.execute("python", "-m", "pynomaly_chassis.probe") == (0, "")
    assert container.execute("python", "-m", "pynomaly_chassis.probe", "/nothing")[0] == 1
    assert container.execute("touch", "/opt/pynomaly/file")[0] != 0
    code, output = container.stop()
    assert code in ENDED_AS_ASKED, output
    assert "Traceback" not in output


def test_sigterm_lets_an_upload_that_has_begun_finish_and_takes_no_new_connection(
    serving: "Callable[[str], Container]", settings: dict[str, str], until: "Until"
) -> None:
    container, port, begun, refused = serving("dataset"), int(settings["PORT"]), Event(), Event()

    def body() -> Iterator[bytes]:
        yield FORM_BEGIN
        begun.set()
        refused.wait()
        yield FORM_END

    with ThreadPoolExecutor() as pool:
        upload = pool.submit(_upload, port, body())
        begun.wait()
        container.signal()
        until(lambda: not _accepts(port))
        refused.set()
        answer = upload.result()
    assert (answer.status_code, answer.json()["n_rows"]) == (201, 2)
    code, output = container.ended()
    assert code in ENDED_AS_ASKED, output


FORM_BEGIN = (
    b'--x\r\ncontent-disposition: form-data; name="name"\r\n\r\nlate\r\n'
    b'--x\r\ncontent-disposition: form-data; name="file"; filename="late.csv"\r\n\r\na,b\n1,2\n'
)
FORM_END = b"3,4\n\r\n--x--\r\n"


def _upload(port: int, body: Iterator[bytes]) -> httpx.Response:
    headers = {"content-type": "multipart/form-data; boundary=x"}
    return httpx.post(f"http://127.0.0.1:{port}/api/v1/datasets/upload", content=body, headers=headers, timeout=30)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("service", list(Service))
def test_an_image_runs_as_nobody_special_and_carries_no_tools_secrets_caches_or_tests(
    service: Service, run: "Run"
) -> None:
    looking = run(f"{service}-service", "python", "-c", LOOK, *FORBIDDEN[service], options=("--read-only",))
    code, output = looking.ended()
    assert (code, output.split()) == (0, ["10001"])


@pytest.mark.parametrize("service", list(Service))
def test_an_image_stays_small(service: Service, engine: str, tag: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = [engine, "image", "inspect", f"docker.io/pynomaly/{service}-service:{tag}"]
    inspected = orjson.loads(subprocess.run(command, check=True, capture_output=True).stdout)[0]
    size_mib = inspected["Size"] / 2**20
    with capsys.disabled():
        print(f"\n{service}-service: {size_mib:.0f} MiB", end="")
    assert size_mib < MOST_MIB[service]
