"""The outermost layer, without a framework inside."""

from typing import Any

from prometheus_client import CollectorRegistry
from pynomaly_chassis.metrics import HttpMetrics
from pynomaly_chassis.middleware import RequestMiddleware
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs


async def read_body(scope: Scope, receive: Receive, send: Send) -> None:
    await Request(scope, receive).body()


async def test_a_client_that_hangs_up_within_its_body_is_no_defect_of_ours() -> None:
    metrics = HttpMetrics(CollectorRegistry())
    app = RequestMiddleware(read_body, metrics, lambda _: 100)
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/x", "headers": []}
    with capture_logs() as events:
        await app(scope, receive, send)
    assert sent == []
    assert [event["event"] for event in events] == ["request.answered"]
    labels = {"method": "POST", "route": "unmatched", "status": "499"}
    assert metrics.registry.get_sample_value("pynomaly_requests_total", labels) == 1
