"""The service as a process: cut, killed, and on a disk that is full, it keeps nothing half."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from pynomaly_suite.postgres import DatabaseUrls
from pynomaly_suite.pytest_plugin import StartService
from pynomaly_suite.service_process import ServiceProcess

Start = Callable[..., "Service"]


class Service:
    """A running dataset service and the folder that it stores in."""

    def __init__(self, process: ServiceProcess, storage: Path) -> None:
        self._process, self.storage = process, storage
        self.client = httpx.Client(base_url=process.url, timeout=30)

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.storage)) for path in self.storage.rglob("*") if path.is_file())

    def upload(self, content: bytes) -> httpx.Response:
        files = {"file": ("t.csv", content, "text/csv")}
        return self.client.post("/api/v1/datasets/upload", data={"name": "table"}, files=files)

    def names(self) -> list[str]:
        return [item["name"] for item in self.client.get("/api/v1/datasets").json()["items"]]

    def begin_upload(self) -> socket.socket:
        """A connection that has sent some megabytes of an upload, and the spool holds some of them."""
        connection = socket.create_connection(("127.0.0.1", self._process.port))
        connection.sendall(
            b"POST /api/v1/datasets/upload HTTP/1.1\r\nHost: d\r\nContent-Length: 99999999\r\n"
            b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
            b'--b\r\nContent-Disposition: form-data; name="name"\r\n\r\ntable\r\n'
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\na,b\n'
        )
        while not any(path.stat().st_size for path in self.storage.rglob("*.upload")):
            connection.sendall(b"1,2\n" * 25_000)
        return connection

    def end(self, how: signal.Signals) -> int:
        self.client.close()
        return self._process.end(how)

    @property
    def peak_mib(self) -> int:
        """The most memory that it ever had resident; where nobody tells that, what it has now."""
        if sys.platform != "linux":  # the kernel tells the peak on Linux alone
            return int(psutil.Process(self._process.pid).memory_info().rss) // 2**20
        status = Path(f"/proc/{self._process.pid}/status").read_text("ascii")
        return int(status.split("VmHWM:")[1].split()[0]) // 1024


@pytest.fixture
def start(database: DatabaseUrls, tmp_path: Path, start_service: StartService) -> Iterator[Start]:
    services: list[Service] = []
    storage = tmp_path / "storage"
    environment = {"DATABASE_URL": database.app_url, "STORAGE_PATH": str(storage), "POLARS_MAX_THREADS": "1"}

    def begin(*, file_limit_kib: int | None = None) -> Service:
        process = start_service("dataset", environment, file_limit_kib=file_limit_kib)
        services.append(Service(process, storage))
        return services[-1]

    yield begin
    for service in services:
        service.client.close()


def test_an_upload_cut_midway_leaves_no_row_and_no_bytes(start: Start) -> None:
    service = start()
    service.begin_upload().close()
    # One loop serves all: what the cut left is gone at the latest when the process has ended in peace.
    assert service.names() == []
    assert service.end(signal.SIGTERM) == -signal.SIGTERM
    assert service.files() == []


def test_a_process_killed_midway_leaves_nothing_after_its_next_start(start: Start) -> None:
    service = start()
    connection = service.begin_upload()
    service.end(signal.SIGKILL)
    connection.close()
    assert len(service.files()) == 1
    again = start()
    assert again.files() == []
    assert again.names() == []
    assert again.upload(b"a,b\n1,2\n").status_code == 201
    assert again.names() == ["table"]


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n" + b"1,2\n" * 100_000,
        b",".join(b"c%d" % i for i in range(2000)) + b"\n" + b",".join([b"1"] * 2000) + b"\n",
    ],
    ids=["while spooling", "while writing Parquet"],
)
def test_a_full_disk_is_a_507_that_leaves_nothing(start: Start, content: bytes) -> None:
    service = start(file_limit_kib=64)
    answer = service.upload(content)
    assert answer.status_code == 507
    assert answer.json()["type"] == "/problems/storage-full"
    assert service.files() == []
    assert service.names() == []
    assert service.upload(b"a,b\n1,2\n").status_code == 201


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path: Path, database: DatabaseUrls) -> None:
    (tmp_path / "file").write_text("")
    environment = {"DATABASE_URL": database.app_url, "STORAGE_PATH": str(tmp_path / "file" / "x")}
    command = [sys.executable, "-m", "dataset_service", "serve"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr.startswith("STORAGE_PATH: cannot write to ")
    assert len(ended.stderr.splitlines()) == 1


def test_an_upload_of_any_size_needs_a_bounded_amount_of_memory(start: Start) -> None:
    service = start()
    piece = b"0.12345678,-1.23456789,text,2024-01-31,17\n" * 25_000
    header = b"a,b,c,d,e\n"

    def send(name: str, n_pieces: int) -> httpx.Response:
        pieces = (header if number == 0 else piece for number in range(n_pieces + 1))
        return service.client.post("/api/v1/datasets", params={"name": name}, content=pieces, timeout=300)

    assert send("small", 1).status_code == 201
    before_mib = service.peak_mib
    answer = send("large", 150)  # 154 MiB
    assert answer.json()["n_rows"] == 150 * 25_000
    assert service.peak_mib - before_mib <= 256
