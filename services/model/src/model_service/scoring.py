"""Scoring: small work on the event loop, the rest on a bounded pool of threads."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from pynomaly_contracts.problems import FieldProblem
from pynomaly_scoring import GraphInvalid, Scorer, Scores

from model_service.domain import MAX_PROBLEMS, FloatMatrix
from model_service.errors import ModelFailed, ScoreNotFinite, ScoringBusy

Result = TypeVar("Result")
BLOCK_BYTES = 32 * 2**20  # of a graph's intermediate results


class ScoringPool:
    """Threads for what is too long for the event loop. The runtime releases the GIL while it computes."""

    def __init__(self, *, n_threads: int, queue_size: int) -> None:
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix="scoring")
        self._places = threading.BoundedSemaphore(n_threads + queue_size)

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do the work on a thread. Raises ScoringBusy at once where the queue is full."""
        if not self._places.acquire(blocking=False):
            raise ScoringBusy("every scoring thread is busy and the queue is full; try again", retry_after_s=1)
        future = self._threads.submit(work)
        future.add_done_callback(self._leave)  # also where the waiter was cancelled
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Wait for what runs; drop what waits."""
        self._threads.shutdown(cancel_futures=True)

    def _leave(self, _: "Future[Any]") -> None:
        self._places.release()


def score_rows(scorer: Scorer, rows: FloatMatrix, *, confidence: bool, single: bool = False) -> Scores:
    """The scores of all rows, in blocks: a row's score does not depend on its companions.

    rows: float64 (n_rows, n_features), finite. single: the one row was not sent in a list, for its name in problems.

    Raises ModelFailed (the runtime), ScoreNotFinite (numbers beyond the model's arithmetic).
    """
    block = max(1, BLOCK_BYTES // scorer.working_bytes_per_row)
    try:
        blocks = [
            scorer.score(rows[start : start + block], confidence=confidence) for start in range(0, len(rows), block)
        ]
    except GraphInvalid as error:
        raise ModelFailed(f"the model's runtime failed: {error}", reason=error.reason) from error
    scores = blocks[0] if len(blocks) == 1 else _joined(blocks, confidence=confidence)
    finite = np.isfinite(scores.raw_score) & np.isfinite(scores.prediction)
    if not finite.all():
        raise _not_finite(np.flatnonzero(~finite).tolist(), single=single)
    return scores


def _joined(blocks: list[Scores], *, confidence: bool) -> Scores:
    confidences = np.concatenate([block.confidence for block in blocks]) if confidence else None
    return Scores(
        np.concatenate([block.raw_score for block in blocks]),
        np.concatenate([block.prediction for block in blocks]),
        np.concatenate([block.is_anomaly for block in blocks]),
        confidences,
    )


def _not_finite(rows: list[int], *, single: bool) -> ScoreNotFinite:
    message = "its values are too large for this model's arithmetic; send smaller ones, or leave the row out"
    places = ["body.data"] if single else [f"body.data.{row}" for row in rows[:MAX_PROBLEMS]]
    problems = [FieldProblem(field=place, message=message) for place in places]
    return ScoreNotFinite(f"{len(rows)} rows have no finite score: {message}", errors=problems)
