"""The figures of serving. Labels are bounded: past a cap, models are counted together."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

OTHER = "other"
MAX_MODELS = 100
_SECONDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)
_LOAD_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class _OfModel:
    """One model's own counters: finding them by label costs more than counting."""

    __slots__ = ("anomalies", "detection_s", "prediction_s", "rows")

    def __init__(self, metrics: "ModelMetrics", label: str) -> None:
        self.rows = metrics.rows.labels(label)
        self.prediction_s = metrics.prediction_s.labels(label)
        self.anomalies = metrics.anomalies.labels(label)
        self.detection_s = metrics.detection_s.labels(label)


class ModelMetrics:
    """Counts what is scored, found and loaded."""

    def __init__(self, registry: CollectorRegistry, *, max_models: int = MAX_MODELS) -> None:
        self._max_models = max_models
        self._models: dict[str, _OfModel] = {}
        self._labels: set[str] = set()
        self.rows = Counter("model_predictions", "Rows scored.", ("model",), registry=registry)
        self.prediction_s = _histogram(
            registry, "model_prediction_duration_seconds", "One request, from its parsed headers to its answer."
        )
        self.errors = Counter(
            "model_errors", "Predict requests that were refused or failed.", ("reason",), registry=registry
        )
        self.refusals = Counter(
            "model_artefacts_refused", "Artefacts that were not let in, or not loaded.", ("reason",), registry=registry
        )
        self.load_s = _histogram(
            registry, "model_load_duration_seconds", "From storage to ready, checks included.", _LOAD_SECONDS
        )
        self.anomalies = Counter(
            "pynomaly_anomaly_detections", "Rows over their model's threshold.", ("model",), registry=registry
        )
        self.detection_s = _histogram(registry, "pynomaly_detection_duration_seconds", "The model's own time.")
        self.n_streams = 0
        streams = Gauge("model_websocket_connections", "Streams that are open.", registry=registry)
        streams.set_function(lambda: self.n_streams)

    @contextmanager
    def streaming(self) -> Iterator[None]:
        """One stream while the block runs."""
        self.n_streams += 1
        try:
            yield
        finally:
            self.n_streams -= 1

    def scored(self, model: str, n_rows: int, n_anomalies: int, detection_s: float) -> None:
        """Rows of one request."""
        counters = self._models.get(model) or self._of(model)
        counters.rows.inc(n_rows)
        counters.detection_s.observe(detection_s)
        if n_anomalies:
            counters.anomalies.inc(n_anomalies)

    def answered(self, model: str, total_s: float) -> None:
        """One answered request, its time from parsed headers to its answer."""
        (self._models.get(model) or self._of(model)).prediction_s.observe(total_s)

    def failed(self, reason: str) -> None:
        """One request without scores. reason: the last part of the problem's type."""
        self.errors.labels(reason).inc()

    def refused(self, reason: str) -> None:
        """One artefact that nothing is scored with. reason: of its ArtefactError."""
        self.refusals.labels(reason).inc()

    def loaded(self, model: str, duration_s: float) -> None:
        """One model brought into memory."""
        self.load_s.labels(self._label(model)).observe(duration_s)

    def _of(self, model: str) -> _OfModel:
        label = self._label(model)
        counters = self._models.get(label)
        if counters is None:
            counters = self._models[label] = _OfModel(self, label)
        return counters

    def _label(self, model: str) -> str:
        if model not in self._labels and len(self._labels) >= self._max_models:
            return OTHER
        self._labels.add(model)
        return model


def _histogram(registry: CollectorRegistry, name: str, about: str, buckets: tuple[float, ...] = _SECONDS) -> Histogram:
    return Histogram(name, about, ("model",), buckets=buckets, registry=registry)
