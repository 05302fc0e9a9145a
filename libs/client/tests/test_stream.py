"""Rows over a WebSocket, against a scripted one."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pynomaly import AsyncClient, Client
from pynomaly.errors import ConnectionFailed, InvalidInput, Unavailable, ValidationFailed
from websockets.sync.server import Request, Response, Server, ServerConnection, serve

ANSWER = {
    "prediction": 0.5,
    "is_anomaly": False,
    "threshold": 1.0,
    "model_id": "01890000-0000-7000-8000-000000000001",
    "model_version": "1",
    "prediction_time": "2026-01-01T00:00:00Z",
    "latency_ms": 0.1,
}
PROBLEM = {"type": "/problems/validation", "title": "Request is not valid", "status": 422, "detail": "no"}
Seen = list[dict[str, Any]]


@pytest.fixture
def seen() -> Seen:
    """The messages that came, in order."""
    return []


@pytest.fixture
def url(seen: Seen) -> Iterator[str]:
    """Answers a row [x] with raw_score x; a negative x with a problem; x over 100 by hanging up."""

    def handle(connection: ServerConnection) -> None:
        for message in connection:
            asked = json.loads(message)
            seen.append(asked)
            score = asked["data"][0]
            if score > 100:
                connection.close(1012)
            else:
                connection.send(json.dumps(PROBLEM if score < 0 else {**ANSWER, "raw_score": score}))

    with _served(handle) as server:
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"


@contextmanager
def _served(handle: Callable[[ServerConnection], None], **options: Any) -> Iterator[Server]:
    server = serve(handle, "127.0.0.1", 0, **options)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()


@pytest.mark.parametrize("in_flight", [1, 3, 100])
def test_predictions_come_in_the_order_of_the_rows(url: str, seen: Seen, in_flight: int) -> None:
    with Client(url) as client:
        scores = [found.raw_score for found in client.stream(([x] for x in range(10)), "m", in_flight=in_flight)]
    assert scores == list(range(10))
    assert seen[0] == {"data": [0.0], "model_id": "m"}


async def test_the_awaited_client_streams_too(url: str, seen: Seen) -> None:
    async with AsyncClient(url) as client:
        found = [item async for item in client.stream([[1], [2]], version="3", return_confidence=True)]
    assert [item.raw_score for item in found] == [1, 2]
    assert seen[1] == {"data": [2.0], "version": "3", "return_confidence": True}


def test_no_more_rows_than_agreed_are_taken_ahead_of_their_answers(url: str, seen: Seen) -> None:
    taken: list[int] = []

    def rows() -> Iterator[list[int]]:
        for x in range(9):
            taken.append(x)
            yield [x]

    with Client(url) as client:
        answers = client.stream(rows(), in_flight=2)
        next(answers)
        assert taken == [0, 1, 2]
        answers.close()


def test_a_refused_row_raises_what_predict_raises(url: str) -> None:
    with Client(url) as client:
        answers = client.stream([[1], [-1]], in_flight=1)
        assert next(answers).raw_score == 1
        with pytest.raises(ValidationFailed):
            next(answers)


def test_a_stream_that_breaks_off_says_so(url: str) -> None:
    with Client(url) as client, pytest.raises(ConnectionFailed):
        list(client.stream([[101]]))


def test_a_stream_that_is_refused_says_why() -> None:
    def refuse(connection: ServerConnection, _request: Request) -> Response:
        return connection.respond(503, "busy")

    with (
        _served(lambda _: None, process_request=refuse) as server,
        Client(f"http://127.0.0.1:{server.socket.getsockname()[1]}") as client,
        pytest.raises(Unavailable),
    ):
        list(client.stream([[1]]))


def test_nobody_there_is_a_failed_connection() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(ConnectionFailed):
        list(client.stream([[1]]))


def test_a_window_below_one_is_refused(url: str) -> None:
    with Client(url) as client, pytest.raises(InvalidInput, match="in_flight"):
        list(client.stream([[1]], in_flight=0))
