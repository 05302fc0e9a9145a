"""Models in memory: an LRU bounded by bytes."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog
from pynomaly_chassis.ids import utc_now
from pynomaly_chassis.problems import ProblemError
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
MAX_FAILURES = 1000


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
    loaded_at: datetime

    @property
    def n_bytes(self) -> int:
        """Of memory, estimated."""
        return self.scorer.n_bytes

    @classmethod
    def of(cls, version: StoredVersion, scorer: Scorer) -> "ServedModel":
        """Measures what a row costs."""
        manifest = scorer.manifest
        return cls(
            model_id=version.model_id,
            model_id_text=str(version.model_id),
            version_id=version.id,
            name=version.model_name,
            number=version.number,
            threshold=manifest.threshold,
            columns=Columns(manifest.inputs),
            scorer=scorer,
            inline_rows=_inline_rows(scorer, manifest.n_features),
            loaded_at=utc_now(),
        )


class Failure(NamedTuple):
    """Why a version did not come into memory, and when."""

    error: ProblemError
    at: datetime


class ModelLoader:
    """From object storage to a model in memory."""

    def __init__(self, store: ArtefactStore, checker: ArtefactChecker, metrics: ModelMetrics) -> None:
        self._store, self._checker, self._metrics = store, checker, metrics

    async def __call__(self, stored: StoredVersion) -> ServedModel:
        """Raises StorageUnavailable, ArtefactUntrusted."""
        began = time.perf_counter()
        archive = await self._store.get(stored.object_key)
        loaded = await self._checker.load(archive, stored)
        duration_s = time.perf_counter() - began
        self._metrics.loaded(stored.model_name, duration_s)
        log.info("model.loaded", model=stored.model_name, version=stored.number, duration_s=round(duration_s, 4))
        return await asyncio.to_thread(ServedModel.of, stored, loaded.scorer)


class ModelRuntime:
    """At most `budget_bytes` of models. Each is loaded once, however many wait.

    The least recently used leave first; those that are to be kept count, and stay.
    """

    def __init__(self, load: Callable[[StoredVersion], Awaitable[ServedModel]], *, budget_bytes: int) -> None:
        self._load, self._budget_bytes = load, budget_bytes
        self._models: OrderedDict[UUID, ServedModel] = OrderedDict()
        self._kept: dict[UUID, bool] = {}  # whether an unload of the model leaves it
        self._failures: OrderedDict[UUID, Failure] = OrderedDict()
        self._loading: SingleFlight[UUID, ServedModel] = SingleFlight()
        self.n_bytes = 0

    @property
    def n_loaded(self) -> int:
        """How many models are in memory."""
        return len(self._models)

    def has(self, version_id: UUID) -> bool:
        """Whether the model is in memory; counts as no use."""
        return version_id in self._models

    def loaded(self, version_id: UUID) -> ServedModel | None:
        """The model if it is in memory; counts as no use."""
        return self._models.get(version_id)

    def is_loading(self, version_id: UUID) -> bool:
        """Whether it is on its way into memory."""
        return self._loading.is_running(version_id)

    def is_kept(self, version_id: UUID) -> bool:
        """Whether it stays until it is dropped or released."""
        return version_id in self._kept

    def failure(self, version_id: UUID) -> Failure | None:
        """Of the last try to load it, if that failed."""
        return self._failures.get(version_id)

    def peek(self, version_id: UUID) -> ServedModel | None:
        """The model if it is in memory; counts as a use."""
        model = self._models.get(version_id)
        if model is not None:
            self._models.move_to_end(version_id)
        return model

    async def get(self, stored: StoredVersion) -> ServedModel:
        """The model, loaded if need be. Raises ModelTooLarge and what loading raises; a failure is not remembered."""
        return self.peek(stored.id) or await self._loading.run(stored.id, lambda: self._load_and_hold(stored))

    async def keep(self, stored: StoredVersion, *, pinned: bool = False) -> ServedModel:
        """As `get`, and the model stays until it is dropped or no longer to be kept. pinned: `drop_model` leaves it."""
        model = await self.get(stored)
        self._check_room(model)
        self._kept[model.version_id] = pinned or self._kept.get(model.version_id, False)
        if model.version_id not in self._models:  # it left while its load was told to those that waited
            self._hold(model)
        return model

    def keep_only(self, pinned: Mapping[UUID, bool]) -> None:
        """Others may leave. pinned: of each version that is to be kept, whether `drop_model` leaves it."""
        self._kept = {version_id: pinned[version_id] for version_id in self._kept if version_id in pinned}

    def release(self, version_id: UUID) -> None:
        """It may leave."""
        self._kept.pop(version_id, None)

    def drop_model(self, model_id: UUID) -> None:
        """Forget every version of a model that is not pinned; what is being scored ends undisturbed."""
        for model in [model for model in self._models.values() if model.model_id == model_id]:
            if not self._kept.get(model.version_id):
                self.drop_version(model.version_id)

    def drop_version(self, version_id: UUID) -> None:
        """Forget it, pinned or not."""
        self.release(version_id)
        self._failures.pop(version_id, None)
        if model := self._models.get(version_id):
            self._drop(model)

    async def close(self) -> None:
        """End what is loading."""
        await self._loading.close()

    async def _load_and_hold(self, stored: StoredVersion) -> ServedModel:
        self._failures.pop(stored.id, None)
        try:
            model = await self._load(stored)
            self._check_room(model)
        except ProblemError as error:
            self._failures[stored.id] = Failure(error, utc_now())
            if len(self._failures) > MAX_FAILURES:
                self._failures.popitem(last=False)
            raise
        self._hold(model)
        return model

    def _check_room(self, model: ServedModel) -> None:
        kept = [other for other in self._models.values() if other.version_id in self._kept and other is not model]
        n_kept = sum(other.n_bytes for other in kept)
        if model.n_bytes + n_kept > self._budget_bytes:
            beside = f" beside {n_kept} bytes of models that are to stay" if n_kept else ""
            raise ModelTooLarge(
                f"model {model.name!r} needs {model.n_bytes} bytes{beside}; MODEL_CACHE_BYTES is {self._budget_bytes}"
            )

    def _hold(self, model: ServedModel) -> None:
        if model.version_id in self._models:  # to be kept once more while it was loaded once more
            self._drop(self._models[model.version_id])
        self._models[model.version_id] = model
        self.n_bytes += model.n_bytes
        others = [other for other in self._models.values() if other.version_id not in self._kept and other is not model]
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
