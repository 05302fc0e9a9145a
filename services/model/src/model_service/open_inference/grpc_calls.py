"""What every call over gRPC has, as every request over HTTP does: identity, headers that travel, a deadline, a limit
of load, statuses, figures.
"""

import asyncio
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from pynomaly_chassis.identity import Caller, caller_in
from pynomaly_chassis.ids import new_request_id
from pynomaly_chassis.pressure import BadDeadline, TooBusy, TooLate
from pynomaly_chassis.problems import BodyTooLarge, ProblemError, Unavailable
from pynomaly_chassis.travelling import carrying
from pynomaly_contracts.headers import BATCH, DEADLINE, PRIORITY, REQUEST_ID, SERVED_BY, TRAVELLING
from pynomaly_resilience.deadline import deadline_from_header, deadline_scope
from pynomaly_resilience.shedding import Place, Queue, Shed

from model_service.errors import ModelTooLarge, ScoringBusy

log = structlog.get_logger()
Work = Callable[[Caller], Awaitable[Any]]
Metadata = Mapping[str, str]
_SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_MAX_BYTES = 1024
_MAX_DETAILS = 1500  # bytes
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# The first kind that an error is of. What is to be asked again later is UNAVAILABLE, what is too much here and now is
# not: clients ask UNAVAILABLE again at once.
_STATUSES: tuple[tuple[type[ProblemError], grpc.StatusCode], ...] = (
    (TooBusy, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (ScoringBusy, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (BodyTooLarge, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (ModelTooLarge, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (TooLate, grpc.StatusCode.DEADLINE_EXCEEDED),
    (Unavailable, grpc.StatusCode.UNAVAILABLE),
)
_BY_HTTP_STATUS = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    409: grpc.StatusCode.FAILED_PRECONDITION,
    422: grpc.StatusCode.INVALID_ARGUMENT,
}


class GrpcMetrics:
    """Calls by method and status, under the names that gRPC's own libraries give them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("grpc_method", "grpc_code")
        self._handled = Counter("grpc_server_handled", "Calls answered.", labels, registry=registry)
        self._duration = Histogram(
            "grpc_server_handling_seconds",
            "From a call's message to its answer.",
            labels[:1],
            buckets=_SECONDS,
            registry=registry,
        )

    def observe(self, method: str, code: grpc.StatusCode, duration_s: float) -> None:
        """Count one answered call."""
        self._handled.labels(method, code.name).inc()
        self._duration.labels(method).observe(duration_s)


class Calls:
    """Answers calls. max_concurrent, max_wait_s: as the limit of load over HTTP has them."""

    def __init__(self, metrics: GrpcMetrics, *, max_concurrent: int, max_wait_s: float, served_by: str) -> None:
        self._metrics, self._served_by = metrics, served_by
        self.queue = Queue(max_concurrent, max_wait_s)

    async def answer(
        self, method: str, context: Any, work: Work, *, queued: bool = True, enter: Callable[[], None] | None = None
    ) -> Any:
        """What `work` gives to the caller, or the status of what it raises.

        queued: whether it waits for its turn. enter: done before, for what waits takes memory already.
        """
        began_s = time.perf_counter()
        given = _metadata(context)
        request_id = _request_id(given)
        context.set_trailing_metadata(((REQUEST_ID, request_id), (SERVED_BY, self._served_by)))
        code = grpc.StatusCode.CANCELLED
        try:
            if enter is not None:
                enter()
            with carrying({**_travelling(given), REQUEST_ID: request_id}):
                answer = await self._within(_left_s(given, context), given, work, queued=queued)
        except ProblemError as error:
            code = status_of(error)
            await self._abort(context, code, error, request_id)
        except Exception:
            code = grpc.StatusCode.INTERNAL
            log.exception("call.failed", method=method, request_id=request_id)
            await context.abort(code, "something broke here; the log has it by this id")
        else:
            code = grpc.StatusCode.OK
            return answer
        finally:
            self._metrics.observe(method, code, time.perf_counter() - began_s)

    async def _within(self, left_s: float, given: Metadata, work: Work, *, queued: bool) -> Any:
        limit = asyncio.timeout(None if left_s == math.inf else left_s)
        try:
            async with limit:
                with deadline_scope(left_s):
                    if not queued:
                        return await work(caller_in(given))
                    with await self._place(given, left_s):
                        return await work(caller_in(given))
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise TooLate(f"not done within the {left_s:.3f} s that the caller gave") from error

    async def _place(self, given: Metadata, left_s: float) -> Place:
        try:
            return self.queue.take() or await self.queue.enter(is_batch=given.get(PRIORITY) == BATCH, within_s=left_s)
        except Shed as shed:
            raise TooBusy(str(shed), retry_after_s=shed.wait_s) from shed

    async def _abort(self, context: Any, code: grpc.StatusCode, error: ProblemError, request_id: str) -> None:
        trailing = [(REQUEST_ID, request_id), (SERVED_BY, self._served_by), *(error.headers or {}).items()]
        await context.abort(code, _short(str(error)), tuple(trailing))


def _short(details: str) -> str:
    """As much as every client takes: details are sent as metadata, three bytes for one, and 8 KiB are too many."""
    return details.encode()[:_MAX_DETAILS].decode(errors="ignore")


def status_of(error: ProblemError) -> grpc.StatusCode:
    """The status that tells a client over gRPC what the problem tells one over HTTP."""
    for kind, code in _STATUSES:
        if isinstance(error, kind):
            return code
    return _BY_HTTP_STATUS.get(error.status, grpc.StatusCode.INTERNAL)


def _metadata(context: Any) -> Metadata:
    """The text among it."""
    return {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}


def _request_id(given: Metadata) -> str:
    brought = given.get(REQUEST_ID, "")
    return brought if _SAFE_ID.fullmatch(brought) else new_request_id()


def _travelling(given: Metadata) -> dict[str, str]:
    return {name: given[name][:_MAX_BYTES] for name in TRAVELLING if name in given}


def _left_s(given: Metadata, context: Any) -> float:
    """The nearer of the call's own deadline and the header's. Raises BadDeadline, TooLate."""
    left_s = context.time_remaining()
    left_s = math.inf if left_s is None else left_s
    if DEADLINE in given:
        try:
            left_s = min(left_s, deadline_from_header(given[DEADLINE]))
        except ValueError as error:
            raise BadDeadline(str(error)) from error
    if left_s <= 0:
        raise TooLate("the caller's time had run out before the work began")
    return left_s
