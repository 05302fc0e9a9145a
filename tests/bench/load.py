"""A closed-loop HTTP load generator: `n` connections, each with one request in flight; raw sockets, no client's cost.

python load.py URL BODY_FILE CONNECTIONS N_REQUESTS CPU    prints JSON: latencies' quantiles in ms, requests/s, errors
"""

import asyncio
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import numpy as np
import uvloop

OK = b"HTTP/1.1 200"
END_OF_HEADERS = b"\r\n\r\n"


def request_bytes(url: str, body: bytes) -> bytes:
    parts = urlsplit(url)
    head = (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def is_whole(received: bytes) -> bool:
    """Whether an answer has arrived to its end."""
    head, separator, body = received.partition(END_OF_HEADERS)
    if not separator:
        return False
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length)


class Loop(asyncio.Protocol):
    """One connection that asks, waits for the whole answer, and asks again while there are requests left."""

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class, not a subclass
        self._ask()

    def data_received(self, data: bytes) -> None:
        self.received += data
        if not is_whole(self.received):
            return
        self.run.answered(time.perf_counter() - self.asked, ok=self.received.startswith(OK))
        self.received = b""
        self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        self.run.left()

    def _ask(self) -> None:
        if self.run.take():
            self.asked = time.perf_counter()
            self.transport.write(self.run.request)
        else:
            self.transport.close()


class Run:
    """A number of requests over a number of connections."""

    def __init__(self, request: bytes, n_requests: int) -> None:
        self.request, self.n_left = request, n_requests
        self.latencies: list[float] = []
        self.n_errors = 0
        self.n_open = 0

    def take(self) -> bool:
        self.n_left -= 1
        return self.n_left >= 0

    def answered(self, latency_s: float, *, ok: bool) -> None:
        self.latencies.append(latency_s)
        self.n_errors += not ok

    def left(self) -> None:
        self.n_open -= 1
        if self.n_open == 0:
            self.over.set_result(None)

    async def measure(self, host: str, port: int, n_connections: int) -> float:
        """Seconds that all requests took together."""
        loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = loop.create_future()
        self.n_open = n_connections
        began = time.perf_counter()
        for _ in range(n_connections):
            await loop.create_connection(lambda: Loop(self), host, port)
        await self.over
        return time.perf_counter() - began


def sequential(host: str, port: int, request: bytes, n_requests: int) -> Run:
    """One connection on a blocking socket: the least that a client can cost."""
    run = Run(request, n_requests)
    with socket.create_connection((host, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(n_requests):
            began = time.perf_counter()
            connection.sendall(request)
            received = connection.recv(65536)
            while not is_whole(received):
                received += connection.recv(65536)
            run.answered(time.perf_counter() - began, ok=received.startswith(OK))
    return run


def figures(run: Run, took_s: float) -> dict[str, float]:
    latencies_ms = np.array(run.latencies) * 1000
    return {
        "p50_ms": float(np.percentile(latencies_ms, 50)),
        "p99_ms": float(np.percentile(latencies_ms, 99)),
        "rps": len(run.latencies) / took_s,
        "errors": run.n_errors,
    }


def main(url: str, body_file: str, connections: str, n_requests: str, cpu: str) -> None:
    os.sched_setaffinity(0, {int(cpu)})
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    request, n = request_bytes(url, Path(body_file).read_bytes()), int(n_requests)
    sequential(host, port, request, min(n, 300))  # warm up
    began = time.perf_counter()
    if int(connections) == 1:
        run = sequential(host, port, request, n)
        took_s = time.perf_counter() - began
    else:
        run = Run(request, n)
        took_s = uvloop.run(run.measure(host, port, int(connections)))
    print(json.dumps(figures(run, took_s)))


if __name__ == "__main__":
    main(*sys.argv[1:])
