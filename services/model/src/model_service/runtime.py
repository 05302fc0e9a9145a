"""Models in memory: an LRU bounded by bytes."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

import structlog
from pynomaly_contracts.models import ModelVersion
from pynomaly_scoring import Rows, Scorer

from model_service.artefacts import ArtefactChecker, ArtefactStore
from model_service.domain import Columns
from model_service.errors import ModelTooLarge
from model_service.metrics import ModelMetrics
from model_service.records import StoredVersion
from model_service.single_flight import SingleFlight

log = structlog.get_logger()
# Scored on the event loop up to this long; a thread costs about a tenth of it.
INLINE_S = 0.001
PROBE_ROWS = 16
# Reading one number of a request and writing one row of an answer, measured.
VALUE_S, ROW_S = 0.15e-6, 1.5e-6


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """A version that is ready to score. inline_rows: the most rows that are scored on the event loop."""

    model_id: UUID
    model_id_text: str
    version_id: UUID
    name: str
    number: str
    threshold: float
    columns: Columns
    scorer: Scorer
    inline_rows: int

    @property
    def n_bytes(self) -> int:
        """Of memory, estimated."""
        return self.scorer.n_bytes

    @classmethod
    def of(cls, version: ModelVersion, scorer: Scorer) -> "ServedModel":
        """Measures what a row costs."""
        manifest = scorer.manifest
        return cls(
            model_id=version.model_id,
            model_id_text=str(version.model_id),
            version_id=version.id,
            name=version.model_name,
            number=version.version,
            threshold=manifest.threshold,
            columns=Columns(manifest.inputs),
            scorer=scorer,
            inline_rows=_inline_rows(scorer, manifest.n_features),
        )


class ModelLoader:
    """From object storage to a model in memory."""

    def __init__(self, store: ArtefactStore, checker: ArtefactChecker, metrics: ModelMetrics) -> None:
        self._store, self._checker, self._metrics = store, checker, metrics

    async def __call__(self, stored: StoredVersion) -> ServedModel:
        """Raises StorageUnavailable, ArtefactUntrusted."""
        began = time.perf_counter()
        archive = await self._store.get(stored.object_key)
        loaded = await self._checker.load(archive, stored.version.digest)
        duration_s = time.perf_counter() - began
        version = stored.version
        self._metrics.loaded(version.model_name, duration_s)
        log.info("model.loaded", model=version.model_name, version=version.version, duration_s=round(duration_s, 4))
        return await asyncio.to_thread(ServedModel.of, version, loaded.scorer)


class ModelRuntime:
    """At most `budget_bytes` of models. Each is loaded once, however many wait.

    The least recently used leave first; those that are pinned count, and stay.
    """

    def __init__(self, load: Callable[[StoredVersion], Awaitable[ServedModel]], *, budget_bytes: int) -> None:
        self._load, self._budget_bytes = load, budget_bytes
        self._models: OrderedDict[UUID, ServedModel] = OrderedDict()
        self._pinned: set[UUID] = set()
        self._loading: SingleFlight[UUID, ServedModel] = SingleFlight()
        self.n_bytes = 0

    @property
    def n_loaded(self) -> int:
        """How many models are in memory."""
        return len(self._models)

    def has(self, version_id: UUID) -> bool:
        """Whether the model is in memory; counts as no use."""
        return version_id in self._models

    def peek(self, version_id: UUID) -> ServedModel | None:
        """The model if it is in memory; counts as a use."""
        model = self._models.get(version_id)
        if model is not None:
            self._models.move_to_end(version_id)
        return model

    async def get(self, stored: StoredVersion) -> ServedModel:
        """The model, loaded if need be. Raises ModelTooLarge and what loading raises; a failure is not remembered."""
        version_id = stored.version.id
        return self.peek(version_id) or await self._loading.run(version_id, lambda: self._load_and_keep(stored))

    async def pin(self, stored: StoredVersion) -> ServedModel:
        """As `get`, and the model stays until it is dropped or no longer to be pinned."""
        model = await self.get(stored)
        self._check_room(model)
        self._pinned.add(model.version_id)
        if model.version_id not in self._models:  # it left while its load was told to those that waited
            self._keep(model)
        return model

    def pin_only(self, version_ids: AbstractSet[UUID]) -> None:
        """Others that are pinned may leave."""
        self._pinned &= version_ids

    def drop_model(self, model_id: UUID) -> None:
        """Forget every version of a model; what is being scored ends undisturbed."""
        for model in [model for model in self._models.values() if model.model_id == model_id]:
            self._pinned.discard(model.version_id)
            self._drop(model)

    async def close(self) -> None:
        """End what is loading."""
        await self._loading.close()

    async def _load_and_keep(self, stored: StoredVersion) -> ServedModel:
        model = await self._load(stored)
        self._check_room(model)
        self._keep(model)
        return model

    def _check_room(self, model: ServedModel) -> None:
        pinned = [other for other in self._models.values() if other.version_id in self._pinned and other is not model]
        n_pinned = sum(other.n_bytes for other in pinned)
        if model.n_bytes + n_pinned > self._budget_bytes:
            beside = f" beside {n_pinned} bytes of models that are to stay" if n_pinned else ""
            raise ModelTooLarge(
                f"model {model.name!r} needs {model.n_bytes} bytes{beside}; MODEL_CACHE_BYTES is {self._budget_bytes}"
            )

    def _keep(self, model: ServedModel) -> None:
        if model.version_id in self._models:  # pinned once more while it was loaded once more
            self._drop(self._models[model.version_id])
        self._models[model.version_id] = model
        self.n_bytes += model.n_bytes
        others = [
            other for other in self._models.values() if other.version_id not in self._pinned and other is not model
        ]
        for other in others:
            if self.n_bytes <= self._budget_bytes:
                return
            self._drop(other)

    def _drop(self, model: ServedModel) -> None:
        del self._models[model.version_id]
        self.n_bytes -= model.n_bytes
        log.info("model.dropped", model=model.name, version=model.number)


def _inline_rows(scorer: Scorer, n_features: int) -> int:
    rows = scorer.zeros(PROBE_ROWS)
    row_s = min(_seconds(scorer, rows) for _ in range(3)) / PROBE_ROWS
    return int(INLINE_S / (row_s + ROW_S + VALUE_S * n_features))


def _seconds(scorer: Scorer, rows: Rows) -> float:
    began = time.perf_counter()
    scorer.score_rows(rows, confidence=False)
    return time.perf_counter() - began
