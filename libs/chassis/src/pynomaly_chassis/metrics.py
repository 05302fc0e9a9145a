"""Prometheus metrics that every service has; one registry per application, so that tests do not share."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class HttpMetrics:
    """Requests by method, route template and status."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("method", "route", "status")
        self.registry = registry
        self._requests = Counter("pynomaly_requests", "HTTP requests answered.", labels, registry=registry)
        self._duration = Histogram(
            "pynomaly_request_duration_seconds",
            "From the first byte of a request to the last of its answer.",
            labels[:2],
            buckets=_SECONDS,
            registry=registry,
        )
        self._active = Gauge("pynomaly_active_connections", "HTTP requests in flight.", registry=registry)
        registry.register(Renamed(self._requests, "http_requests"))
        registry.register(Renamed(self._duration, "http_request_duration_seconds"))
        # labels() costs more than the rest together: keep the children.
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}
        self.n_active = 0
        self._active.set_function(lambda: self.n_active)

    def observe(self, method: str, route: str, status: int, duration_s: float) -> None:
        """Count one answered request."""
        counter = self._counters.get((method, route, status))
        if counter is None:
            counter = self._counters[method, route, status] = self._requests.labels(method, route, str(status))
        histogram = self._histograms.get((method, route))
        if histogram is None:
            histogram = self._histograms[method, route] = self._duration.labels(method, route)
        counter.inc()
        histogram.observe(duration_s)


class Renamed(Collector):
    """The same figures under a second name that users were promised."""

    def __init__(self, source: Collector, name: str) -> None:
        self._source, self._name = source, name

    def collect(self) -> Iterable[Metric]:
        for metric in self._source.collect():
            copy = Metric(self._name, metric.documentation, metric.type)
            copy.samples = [
                sample._replace(name=sample.name.replace(metric.name, self._name, 1)) for sample in metric.samples
            ]
            yield copy
