"""Scoring: small work on the event loop, the rest on a bounded pool of threads."""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, TypeVar

import numpy as np
from fastapi.exceptions import RequestValidationError
from pynomaly_chassis.problems import ProblemError
from pynomaly_contracts.problems import FieldProblem
from pynomaly_scoring import GraphInvalid, Rows, Scorer, Scores

from model_service.errors import ModelFailed, ScoreNotFinite, ScoringBusy
from model_service.intake import Intake
from model_service.metrics import ModelMetrics
from model_service.refusals import MAX_PROBLEMS, RowsRefused
from model_service.runtime import ServedModel
from model_service.serving import Serving

Result = TypeVar("Result")
# A body over this takes longer to read than the event loop should be kept.
INLINE_BYTES = 64 * 1024


class ScoringPool:
    """Threads for what is too long for the event loop. The runtime releases the GIL while it computes."""

    def __init__(self, *, n_threads: int, queue_size: int) -> None:
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix="scoring")
        self._places = threading.BoundedSemaphore(n_threads + queue_size)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do the work on a thread. Raises ScoringBusy at once where the queue is full."""
        if not self._places.acquire(blocking=False):
            raise ScoringBusy("every scoring thread is busy and the queue is full; try again", retry_after_s=1)
        task = _Task(work)
        future = self._threads.submit(task.run)
        future.add_done_callback(partial(self._leave, task))  # also where the waiter was cancelled
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Wait for what runs; drop what waits."""
        self._threads.shutdown(cancel_futures=True)

    def _leave(self, task: "_Task[Any]", _: "Future[Any]") -> None:
        task.work = None
        self._places.release()


class _Task(Generic[Result]):
    """Work that may be let go of: the queue keeps what was cancelled until a thread comes by."""

    __slots__ = ("work",)

    def __init__(self, work: Callable[[], Result]) -> None:
        self.work: Callable[[], Result] | None = work

    def run(self) -> Result:
        if self.work is None:
            raise CancelledError
        return self.work()


class Scoring:
    """What every protocol scores with: find the model, make rows with its `columns`, score them.

    Bodies are held in `intake`. What takes long, reading and writing included, goes to the threads: `apart`.
    """

    def __init__(self, serving: Serving, pool: ScoringPool, intake: Intake, metrics: ModelMetrics) -> None:
        self._serving, self._metrics = serving, metrics
        self.pool, self.intake = pool, intake

    async def model(self, tenant_id: str, model_ref: str | None, version_ref: str | None = None) -> ServedModel:
        """model_ref: id, name or None for the default. version_ref: number, id, alias or None for the latest.

        Raises NotFound, NoDefaultModel, DatabaseUnavailable and what loading raises.
        """
        return self._serving.current(tenant_id, model_ref, version_ref) or await self._serving.model(
            tenant_id, model_ref, version_ref
        )

    async def score(self, model: ServedModel, rows: Rows, *, confidence: bool = False, place: str = "rows") -> Scores:
        """On the event loop where that is short, else on a thread.

        Raises ScoringBusy, ModelFailed, ScoreNotFinite, whose problems begin with `place`.
        """
        work = partial(self.score_here, model, rows, confidence=confidence, place=place)
        return work() if rows.n_rows <= model.inline_rows else await self.pool.run(work)

    def score_here(
        self, model: ServedModel, rows: Rows, *, confidence: bool = False, place: str = "rows", single: bool = False
    ) -> Scores:
        """As `score`, in the calling thread, which is one of the pool's or has little to do."""
        began = time.perf_counter()
        scores = score_rows(model.scorer, rows, confidence=confidence, place=place, single=single)
        n_anomalies = int(np.count_nonzero(scores.is_anomaly))
        self._metrics.scored(model.name, rows.n_rows, n_anomalies, time.perf_counter() - began)
        return scores

    def score_blocks(
        self, model: ServedModel, blocks: Iterable[Rows], *, confidence: bool = False, place: str = "rows"
    ) -> Scores:
        """As `score_here`, of at least one block; no more than one is held at a time."""
        parts: list[Scores] = []
        n_rows, detection_s = 0, 0.0
        for block in blocks:
            began = time.perf_counter()
            parts.append(score_rows(model.scorer, block, confidence=confidence, place=place, first_row=n_rows))
            detection_s += time.perf_counter() - began
            n_rows += block.n_rows
        scores = Scores.joined(parts)
        self._metrics.scored(model.name, n_rows, int(np.count_nonzero(scores.is_anomaly)), detection_s)
        return scores

    async def apart(self, n_bytes: int, work: Callable[[], Result]) -> Result:
        """Do the work, such as reading a body of `n_bytes`: at once if that is little, else on a thread."""
        return work() if n_bytes <= INLINE_BYTES else await self.pool.run(work)

    def counted(self) -> "Counted":
        """What ends the block with an error counts as a failed request."""
        return Counted(self._metrics)


class Counted:
    """A block of which a failure is counted."""

    __slots__ = ("_metrics",)

    def __init__(self, metrics: ModelMetrics) -> None:
        self._metrics = metrics

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ProblemError):
            self._metrics.failed(error.type.rpartition("/")[2])
        elif isinstance(error, RowsRefused | RequestValidationError):
            self._metrics.failed("validation")


def score_rows(
    scorer: Scorer, rows: Rows, *, confidence: bool, place: str = "rows", single: bool = False, first_row: int = 0
) -> Scores:
    """The scores of all rows.

    rows: as the model's columns made them. place, single, first_row: for the names in problems, as in `Columns`.
    Raises ModelFailed (the runtime), ScoreNotFinite (numbers beyond the model's arithmetic).
    """
    try:
        scores = scorer.score_rows(rows, confidence=confidence)
    except GraphInvalid as error:
        raise ModelFailed(f"the model's runtime failed: {error}", reason=error.reason) from error
    if rows.n_rows == 1 and math.isfinite(scores.raw_score.item()) and math.isfinite(scores.prediction.item()):
        return scores  # a tenth of the time that arrays take
    finite = np.isfinite(scores.raw_score) & np.isfinite(scores.prediction)
    if not finite.all():
        raise _not_finite((np.flatnonzero(~finite) + first_row).tolist(), place, single=single)
    return scores


def _not_finite(rows: list[int], place: str, *, single: bool) -> ScoreNotFinite:
    message = "its values are too large for this model's arithmetic; send smaller ones, or leave the row out"
    places = [place] if single else [f"{place}.{row}" for row in rows[:MAX_PROBLEMS]]
    problems = [FieldProblem(field=where, message=message) for where in places]
    return ScoreNotFinite(f"{len(rows)} rows have no finite score: {message}", errors=problems)
