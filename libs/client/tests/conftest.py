"""A scripted peer: a real HTTP server on a loopback socket that answers what a test tells it to."""

import json
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pytest

NOW = "2026-01-01T00:00:00Z"
ID = UUID("01890000-0000-7000-8000-000000000001")


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Says:
    """An answer; `hangs_up` closes the connection without one."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hangs_up: bool = False

    def content(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


Answering = Callable[[Asked], Says]


def problem(status: int, *, kind: str = "/problems/test", detail: str = "no", **more: Any) -> Says:
    retry_after = more.pop("retry_after", None)
    body = {"type": kind, "title": "Refused", "status": status, "detail": detail, **more}
    headers = {"content-type": "application/problem+json"}
    return Says(body, status, headers if retry_after is None else {**headers, "retry-after": str(retry_after)})


class Peer:
    """What it says next to each method and path; the last answer is repeated."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._script: dict[tuple[str, str], list[Says | Answering]] = defaultdict(list)
        self.url = ""

    def says(self, method: str, path: str, *answers: "Says | Answering") -> None:
        self._script[method, path] = list(answers)

    def answer(self, asked: Asked) -> Says:
        self.asked.append(asked)
        answers = self._script[asked.method, asked.path]
        if not answers:
            return problem(404, kind="/problems/not-found", detail=f"no {asked.method} {asked.path} in the script")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer if isinstance(answer, Says) else answer(asked)

    def paths(self) -> list[str]:
        return [f"{asked.method} {asked.path}" for asked in self.asked]


class Server(ThreadingHTTPServer):
    """Clients that hang up early are part of the tests; nothing else may go wrong in here."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@pytest.fixture
def peer() -> Iterator[Peer]:
    served = Peer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            said = served.answer(Asked(self.command, parts.path, parse_qs(parts.query), headers, body))
            if said.hangs_up:
                self.close_connection = True
                return
            self.send_response(said.status)
            for name, value in {"content-length": str(len(said.content())), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.content())

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

        def log_message(self, *_line: object) -> None:
            """Tests read `asked` instead."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def dataset_body(**changes: Any) -> dict[str, Any]:
    body = {
        "id": str(ID),
        "created_at": NOW,
        "updated_at": NOW,
        "name": "thyroid",
        "version": "1",
        "n_rows": 3,
        "n_features": 2,
        "feature_columns": ["a", "b"],
        "columns": [{"name": "a", "type": "number"}, {"name": "b", "type": "number"}],
        "sha256": "0" * 64,
        "size_bytes": 10,
    }
    return {**body, **changes}


def detector_body(**changes: Any) -> dict[str, Any]:
    body = {
        "id": str(ID),
        "created_at": NOW,
        "updated_at": NOW,
        "name": "thyroid",
        "algorithm": "IForest",
        "contamination": 0.1,
        "parameters": {},
        "feature_columns": [],
        "seed": 0,
    }
    return {**body, **changes}


def train_result(**changes: Any) -> dict[str, Any]:
    body = {
        "model_id": str(ID),
        "model_name": "thyroid",
        "model_version": "1",
        "model_version_id": str(ID),
        "n_rows": 3,
        "feature_columns": ["a", "b"],
        "ignored_columns": [],
        "threshold": 0.5,
        "fit_duration_s": 0.1,
    }
    return {**body, **changes}


def job_body(state: str = "succeeded", **changes: Any) -> dict[str, Any]:
    body = {
        "id": str(ID),
        "created_at": NOW,
        "updated_at": NOW,
        "kind": "train",
        "state": state,
        "stage": "fitting",
        "progress": 1.0 if state == "succeeded" else 0.5,
        "attempts": 1,
        "result": train_result() if state == "succeeded" else None,
    }
    return {**body, **changes}


def batch_body(n_rows: int, version: str = "1") -> dict[str, Any]:
    return {
        "predictions": [{"prediction": 0.5, "is_anomaly": False, "raw_score": 0.1}] * n_rows,
        "total_processed": n_rows,
        "total_anomalies": 0,
        "threshold": 0.5,
        "model_id": str(ID),
        "model_version": version,
        "processing_time_ms": 1.0,
        "throughput_per_second": 1000.0 * n_rows,
    }


@pytest.fixture
def bodies() -> dict[str, Callable[..., dict[str, Any]]]:
    """The answers' bodies by noun; keywords change fields."""
    return {
        "dataset": dataset_body,
        "detector": detector_body,
        "job": job_body,
        "train": train_result,
        "batch": batch_body,
    }


@pytest.fixture
def says() -> type[Says]:
    return Says


@pytest.fixture
def refuses() -> Callable[..., Says]:
    return problem
