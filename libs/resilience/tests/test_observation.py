"""What calls tell Prometheus and OpenTelemetry."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    NoOpTracer,
    Span,
    SpanContext,
    Status,
    StatusCode,
    get_current_span,
    use_span,
)
from prometheus_client import CollectorRegistry, generate_latest
from pynomaly_resilience import BreakerPolicy, BulkheadPolicy, CallPolicy, Resilience, RetryPolicy, resilient
from pynomaly_resilience.metrics import PrometheusMetrics
from pynomaly_resilience.testing import FakeClock, instant
from pynomaly_resilience.tracing import AttemptSpans

POLICY = CallPolicy(
    attempts=2,
    retry=RetryPolicy(on="failure", wait_s=1.0, wait_max_s=1.0),
    bulkhead=BulkheadPolicy(),
    breaker=BreakerPolicy(failure_rate=None, consecutive_failures=4, jitter=0.0),
)


def fail_twice(shared: Resilience, operation: str = "ask") -> None:
    @resilient("peer", operation, policy=POLICY, idempotent=True, resilience=shared)
    def ask() -> None:
        raise OSError("down")

    with pytest.raises(OSError, match="down"):
        ask()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_calls_attempts_breakers_budgets_and_bulkheads_are_counted(
    registry: CollectorRegistry, clock: FakeClock
) -> None:
    metrics = PrometheusMetrics(registry)
    shared = instant(clock, on_event=metrics)
    metrics.watch(shared)
    whom = {"service": "peer", "operation": "ask"}
    for state in (0, 2):
        fail_twice(shared)
        assert registry.get_sample_value("pynomaly_circuit_breaker_state", whom) == state
    clock.advance(5.0)
    shared.breakers.get("peer", "ask", POLICY.breaker).acquire()
    assert registry.get_sample_value("pynomaly_circuit_breaker_state", whom) == 1
    failed = {**whom, "outcome": "failed"}
    assert registry.get_sample_value("pynomaly_calls_total", failed) == 2
    assert registry.get_sample_value("pynomaly_call_attempts_total", failed) == 4
    assert registry.get_sample_value("pynomaly_call_duration_seconds_count", whom) == 2
    assert registry.get_sample_value("pynomaly_call_queue_seconds_count", whom) == 4
    assert registry.get_sample_value("pynomaly_retry_budget_left", {"service": "peer"}) == pytest.approx(28.18)
    assert registry.get_sample_value("pynomaly_bulkhead_running", whom) == 0
    assert registry.get_sample_value("pynomaly_bulkhead_waiting", whom) == 0


def test_the_prefix_is_a_setting_and_the_number_of_series_is_bounded(
    registry: CollectorRegistry, clock: FakeClock
) -> None:
    shared = instant(clock, on_event=PrometheusMetrics(registry, prefix="mine", max_series=2))
    for operation in ("a", "b", "c", "d", "a"):
        fail_twice(shared, operation)
    counted = [line for line in generate_latest(registry).decode().splitlines() if line.startswith("mine_calls_total")]
    assert counted == [
        'mine_calls_total{operation="a",outcome="failed",service="peer"} 2.0',
        'mine_calls_total{operation="b",outcome="failed",service="peer"} 1.0',
        'mine_calls_total{operation="other",outcome="failed",service="other"} 2.0',
    ]


class RecordedSpan(NonRecordingSpan):
    """A span that keeps what it was told."""

    def __init__(self, name: str, **told: Any) -> None:
        super().__init__(INVALID_SPAN_CONTEXT)
        self.name, self.told, self.parent = name, told, get_current_span()
        self.status: Any = None
        self.end_ns: int | None = None

    def set_status(self, status: Status | StatusCode, _description: str | None = None) -> None:
        self.status = status

    def end(self, end_time: int | None = None) -> None:
        self.end_ns = end_time


class RecordingTracer(NoOpTracer):
    """A tracer that keeps its spans."""

    def __init__(self) -> None:
        self.spans: list[RecordedSpan] = []

    def start_span(self, name: str, *_: Any, **kwargs: Any) -> Span:
        self.spans.append(RecordedSpan(name, **kwargs))
        return self.spans[-1]


def test_each_attempt_is_a_span_with_its_reason_under_the_callers_span(clock: FakeClock) -> None:
    tracer = RecordingTracer()
    shared = instant(clock, on_event=AttemptSpans(tracer, clock=lambda: 10_000_000_000))
    caller = NonRecordingSpan(SpanContext(1, 2, is_remote=False))
    with use_span(caller):
        fail_twice(shared)
    first, second = tracer.spans
    for number, span in enumerate((first, second), 1):
        assert (span.name, span.parent) == ("peer ask", caller)
        assert span.told["attributes"] == {
            "resilience.attempt": number,
            "resilience.outcome": "failed",
            "resilience.reason": "down",
            "resilience.queued_s": 0.0,
        }
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "down")
    assert first.end_ns is not None
    assert first.told["start_time"] <= first.end_ns <= second.told["start_time"] <= 10_000_000_000


def test_an_attempt_that_went_well_is_a_span_without_a_complaint(clock: FakeClock) -> None:
    tracer = RecordingTracer()
    with resilient("peer", "ask", resilience=instant(clock, on_event=AttemptSpans(tracer))).block():
        pass
    (span,) = tracer.spans
    assert (span.told["attributes"]["resilience.outcome"], span.status) == ("ok", None)
