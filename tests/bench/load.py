"""A closed-loop HTTP load generator: some connections, each with one request in flight; raw sockets, no client's cost.

python load.py CORE    reads a Turn per line as JSON from standard input, answers each by a line of figures
"""

import asyncio
import itertools
import json
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import cores
import numpy as np
import uvloop
from streaming import stream

OK = b"HTTP/1.1 200"
END_OF_HEADERS = b"\r\n\r\n"
SCORE = b'"raw_score"'
SAID = 300
RECEIVE_BYTES = 2**18
SILENT_S = 60.0
"""After so long without an answer a turn begins again, once: a peer that batches has been seen to lose a request."""


@dataclass(frozen=True)
class Turn:
    """Requests to one address for some seconds: `bodies` are files, sent in turn; the first `warm` are not counted.

    headers: further header lines, each ended by CRLF. At least `at_least` requests are made, however long they take.
    method: GET needs no bodies. window: over 0, the bodies are messages of a WebSocket, of which so many are in flight.
    """

    url: str
    bodies: tuple[str, ...]
    headers: str = ""
    connections: int = 1
    seconds: float = 1.0
    at_least: int = 1
    warm: int = 0
    window: int = 0
    method: str = "POST"


@cache
def read(file: str) -> bytes:
    return Path(file).read_bytes()


def request_bytes(turn: Turn, body: bytes) -> bytes:
    """A body with its head; a message of a stream has none."""
    parts = urlsplit(turn.url)
    if turn.window:
        return body
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    head = f"{turn.method} {path} HTTP/1.1\r\nhost: {parts.netloc}\r\n{turn.headers}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Answer:
    """An answer as it arrives: only its head is kept."""

    def __init__(self) -> None:
        self.head = b""
        self._missing: int | None = None

    def feed(self, chunk: bytes) -> bool:
        """Take in what came; whether this was the end."""
        if self._missing is None:
            self._begin(chunk)
        else:
            self._missing -= len(chunk)
        return self._missing is not None and self._missing <= 0

    def _begin(self, chunk: bytes) -> None:
        self.head += chunk
        head, separator, body = self.head.partition(END_OF_HEADERS)
        if separator:
            length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
            self._missing = int(length) - len(body)


class Run:
    """What came of a turn."""

    def __init__(self, turn: Turn) -> None:
        self._requests = [request_bytes(turn, body) for body in map(read, turn.bodies)] or [request_bytes(turn, b"")]
        self._next: Iterator[bytes] = itertools.cycle(self._requests)
        self._turn, self._asked = turn, 0
        self.latencies: list[float] = []
        self.refused: list[bytes] = []
        self._ends = time.perf_counter() + turn.seconds

    def take(self) -> bytes | None:
        """The next request; None where the time is over."""
        if self._asked >= self._turn.warm + self._turn.at_least and time.perf_counter() > self._ends:
            return None
        self._asked += 1
        if self._asked == self._turn.warm + 1:
            self.began = time.perf_counter()
            self._ends = self.began + self._turn.seconds
        return next(self._next)

    def answered(self, latency_s: float, answer: Answer) -> None:
        self.latencies.append(latency_s)
        if not answer.head.startswith(OK):
            self.refused.append(answer.head[:SAID])

    def heard(self, latency_s: float, message: bytes) -> None:
        """As `answered`, of a stream."""
        self.latencies.append(latency_s)
        if SCORE not in message:
            self.refused.append(message[:SAID])

    def figures(self) -> dict[str, float | str]:
        """p50 and p99 in ms, rate in requests per second, counts, and what the first refusal said."""
        took_s = time.perf_counter() - self.began
        latencies_ms = np.array(self.latencies[self._turn.warm :]) * 1000
        return {
            "p50_ms": float(np.percentile(latencies_ms, 50)),
            "p99_ms": float(np.percentile(latencies_ms, 99)),
            "rps": len(latencies_ms) / took_s,
            "n": len(latencies_ms),
            "errors": len(self.refused),
            "said": self.refused[0].decode(errors="replace") if self.refused else "",
        }


class Loop(asyncio.Protocol):
    """One connection that asks, waits for the whole answer, and asks again until the time is over."""

    def __init__(self, run: Run, over: "asyncio.Queue[Exception | None]") -> None:
        self._run, self._over, self._answer = run, over, Answer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class, not a subclass
        self._ask()

    def data_received(self, data: bytes) -> None:
        if self._answer.feed(data):
            self._run.answered(time.perf_counter() - self._asked, self._answer)
            self._ask()

    def connection_lost(self, _: Exception | None) -> None:
        self._over.put_nowait(ConnectionError("the server hung up") if self._asking else None)

    def _ask(self) -> None:
        request = self._run.take()
        self._asking = request is not None
        if request is None:
            self._transport.close()
        else:
            self._answer, self._asked = Answer(), time.perf_counter()
            self._transport.write(request)


async def crowd(run: Run, host: str, port: int, n_connections: int, within_s: float) -> None:
    """Many connections at once. Raises TimeoutError."""
    over: asyncio.Queue[Exception | None] = asyncio.Queue()
    for _ in range(n_connections):
        await asyncio.get_running_loop().create_connection(lambda: Loop(run, over), host, port)
    async with asyncio.timeout(within_s):
        for _ in range(n_connections):
            if (error := await over.get()) is not None:
                raise error


def sequential(run: Run, host: str, port: int) -> None:
    """One connection on a blocking socket: the least that a client can cost."""
    with socket.create_connection((host, port), timeout=SILENT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (request := run.take()) is not None:
            answer, asked = Answer(), time.perf_counter()
            connection.sendall(request)
            while not answer.feed(received := connection.recv(RECEIVE_BYTES)):
                if not received:
                    raise ConnectionError("the server hung up")
            run.answered(time.perf_counter() - asked, answer)


def measure(turn: Turn) -> dict[str, float | str]:
    parts = urlsplit(turn.url)
    host, port = parts.hostname or "", parts.port or 80
    run = Run(turn)
    if turn.window:
        stream(run, host, port, parts.path, turn.window)
    elif turn.connections == 1:
        sequential(run, host, port)
    else:
        uvloop.run(crowd(run, host, port, turn.connections, turn.seconds + SILENT_S))
    return run.figures()


def main(core: str) -> None:
    cores.pin(int(core))
    for line in sys.stdin:
        turn = Turn(**json.loads(line))
        try:
            found = measure(turn)
        except TimeoutError:
            found = measure(turn)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
