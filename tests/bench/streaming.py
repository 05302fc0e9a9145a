"""The generator's WebSocket: messages in flight up to a window, each answered in order. RFC 6455, no client's cost."""

import socket
import time
from collections import deque
from collections.abc import Iterator
from typing import Protocol

END_OF_HEADERS = b"\r\n\r\n"
RECEIVE_BYTES = 2**18
TEXT, CLOSE, PING = 1, 8, 9


class Taker(Protocol):
    """What says which message is next, and hears how long an answer took."""

    def take(self) -> bytes | None: ...

    def heard(self, latency_s: float, answer: bytes) -> None: ...


def opening(host: str, path: str) -> bytes:
    """The request that makes a connection a WebSocket."""
    key = "AAAAAAAAAAAAAAAAAAAAAA=="
    return (
        f"GET {path} HTTP/1.1\r\nhost: {host}\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        f"sec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
    ).encode()


def frame(message: bytes) -> bytes:
    """A client's text frame; a mask of zeros leaves the message as it is."""
    if len(message) < 126:
        head = bytes([0x80 | TEXT, 0x80 | len(message)])
    elif len(message) < 2**16:
        head = bytes([0x80 | TEXT, 0x80 | 126]) + len(message).to_bytes(2)
    else:
        head = bytes([0x80 | TEXT, 0x80 | 127]) + len(message).to_bytes(8)
    return head + bytes(4) + message


class Frames:
    """A server's frames as they arrive."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """Opcode and payload of each frame that is whole now."""
        self._buffer += chunk
        place = 0
        while (end := self._end(place)) is not None:
            start, stop = end
            yield self._buffer[place] & 0x0F, self._buffer[start:stop]
            place = stop
        self._buffer = self._buffer[place:]

    def _end(self, place: int) -> tuple[int, int] | None:
        """Where the payload of the frame at `place` starts and stops; None while it is not whole."""
        if len(self._buffer) < place + 2:
            return None
        n, start = self._buffer[place + 1] & 0x7F, place + 2
        if n >= 126:
            width = 2 if n == 126 else 8
            n, start = int.from_bytes(self._buffer[start : start + width]), start + width
        return (start, start + n) if len(self._buffer) >= start + n else None


def stream(taker: Taker, host: str, port: int, path: str, window: int) -> None:
    """Keep up to `window` messages in flight until there is none left to send. Raises ConnectionError."""
    with socket.create_connection((host, port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(opening(f"{host}:{port}", path))
        _upgraded(connection)
        frames, sent = Frames(), deque[float]()
        _send(connection, taker, sent, window)
        while sent:
            n_answers = 0
            for opcode, payload in frames.feed(_received(connection)):
                if opcode == TEXT:
                    taker.heard(time.perf_counter() - sent.popleft(), payload)
                    n_answers += 1
                elif opcode == CLOSE:
                    raise ConnectionError(f"the server closed the stream: {payload!r}")
            _send(connection, taker, sent, n_answers)


def _upgraded(connection: socket.socket) -> None:
    """Read the answer to the opening, byte by byte so as to leave the frames behind it."""
    head = b""
    while not head.endswith(END_OF_HEADERS):
        head += connection.recv(1) or _hung_up()
    if not head.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(f"no WebSocket: {head[:300].decode(errors='replace')}")


def _received(connection: socket.socket) -> bytes:
    return connection.recv(RECEIVE_BYTES) or _hung_up()


def _hung_up() -> bytes:
    raise ConnectionError("the server hung up")


def _send(connection: socket.socket, taker: Taker, sent: deque[float], n_messages: int) -> None:
    frames = []
    for _ in range(n_messages):
        if (message := taker.take()) is None:
            break
        frames.append(frame(message))
    sent.extend([time.perf_counter()] * len(frames))
    if frames:
        connection.sendall(b"".join(frames))
