"""OpenTelemetry spans, one per attempt, as an `on_event` hook. Extra: `tracing`."""

from __future__ import annotations

import time
from collections.abc import Callable

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

from pynomaly_resilience.events import CallEvent

NS_PER_S = 1_000_000_000


class AttemptSpans:
    """`on_event=AttemptSpans(tracer)`: children of the span that the call was made in.

    They are written when the call has ended, with the times the attempts had; `clock` gives nanoseconds
    since 1970, for the end of the last.
    """

    def __init__(self, tracer: Tracer, *, clock: Callable[[], int] = time.time_ns) -> None:
        self._tracer = tracer
        self._clock = clock

    def __call__(self, event: CallEvent) -> None:
        """Write the spans of one call."""
        began_ns = self._clock() - int(event.duration_s * NS_PER_S)
        for number, attempt in enumerate(event.tried, 1):
            start_ns = began_ns + int(attempt.offset_s * NS_PER_S)
            span = self._tracer.start_span(
                f"{event.dependency} {event.operation}",
                kind=SpanKind.CLIENT,
                start_time=start_ns,
                attributes={
                    "resilience.attempt": number,
                    "resilience.outcome": attempt.outcome,
                    "resilience.reason": attempt.reason,
                    "resilience.queued_s": attempt.queued_s,
                },
            )
            if attempt.outcome not in ("ok", "cancelled"):
                span.set_status(Status(StatusCode.ERROR, attempt.reason))
            span.end(start_ns + int(attempt.duration_s * NS_PER_S))
