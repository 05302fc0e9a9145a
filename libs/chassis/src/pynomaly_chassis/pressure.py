"""How a server meets time and load: the caller's deadline is kept, and what could not be served in time is refused."""

import math
import time
from functools import partial

import structlog
from pynomaly_contracts.headers import PRIORITY, REQUEST_ID, SERVED_BY
from pynomaly_contracts.media import PROBLEM
from pynomaly_resilience.asgi import EXEMPT, DeadlineMiddleware, LoadShedMiddleware, Refusal
from starlette.types import ASGIApp, Receive, Scope, Send

from pynomaly_chassis.metrics import HttpMetrics
from pynomaly_chassis.middleware import BodyLimit, RequestMiddleware, known_method, request_id_of
from pynomaly_chassis.problem_handlers import ErrorForms
from pynomaly_chassis.problems import ProblemError, Unavailable, problem_response
from pynomaly_chassis.settings import ServiceSettings

log = structlog.get_logger()

# A larger body takes the time of its sender, not of the server: it is a transfer and never waits for a place.
SMALL_BODY = 64 * 1024
LOG_EVERY_S = 1.0
# What probes ask, in the protocols of others, too.
_PROBES = (*EXEMPT, "/v2/health", "/ping")
_ID = "{id}"
_TOO_BUSY = "more requests wait than can be served in time"
_REQUEST_ID = REQUEST_ID.encode()
_PROBLEM = PROBLEM.encode()


class BadDeadline(ProblemError):
    """The deadline's header is no whole number of milliseconds."""

    status, type, title = 400, "/problems/bad-deadline", "The deadline makes no sense"


class TooLate(ProblemError):
    """The caller's time ran out before the work was done, or even begun."""

    status, type, title = 504, "/problems/too-late", "The caller's time ran out"


class TooBusy(Unavailable):
    """More requests wait than can be served in time."""

    type, title = "/problems/too-busy", "Too many requests wait"


_KINDS: dict[int, type[ProblemError]] = {kind.status: kind for kind in (BadDeadline, TooLate, TooBusy)}


def guarded(
    app: ASGIApp,
    *,
    settings: ServiceSettings,
    metrics: HttpMetrics,
    body_limit: BodyLimit,
    sheds: bool,
    forms: ErrorForms | None = None,
) -> ASGIApp:
    """The application with what stands before it. From outside: too much load is refused, if `sheds`; requests are
    counted and given their ids; late work is refused, or cancelled until its answer has begun; places are given out,
    to interactive work before batch work.
    """
    forms = forms or ErrorForms()
    counted = partial(
        RequestMiddleware, metrics=metrics, body_limit=body_limit, served_by=settings.served_by, forms=forms
    )
    if not sheds:
        return counted(with_deadlines(app))
    shedding = with_load_limit(app, settings)
    return TurnAway(counted(with_deadlines(shedding)), shedding, metrics, settings.served_by, forms)


def with_deadlines(app: ASGIApp) -> ASGIApp:
    """Late work is refused before it starts, and cancelled at its deadline, until its answer has begun."""
    return DeadlineMiddleware(app, refuse=_refuse)


def with_load_limit(app: ASGIApp, settings: ServiceSettings) -> LoadShedMiddleware:
    """A bounded number of requests at once; interactive work goes before batch work."""
    return LoadShedMiddleware(
        app,
        max_concurrent=settings.max_concurrent_requests,
        max_wait_s=settings.max_queue_wait_s,
        priority_header=PRIORITY,
        exempt=_PROBES,
        is_exempt=is_transfer,
        refuse=_refuse,
    )


class TurnAway:
    """The first to see a request, and the cheapest: a crowd is turned away for little of what serving it costs.

    The problem is TooBusy's, rendered once. Each is counted; the log says how many there were, once a second.
    """

    def __init__(
        self,
        app: ASGIApp,
        shedding: LoadShedMiddleware,
        metrics: HttpMetrics,
        served_by: str,
        forms: ErrorForms | None = None,
    ) -> None:
        self._app, self._shedding, self._metrics, self._forms = app, shedding, metrics, forms or ErrorForms()
        self._served_by = SERVED_BY.encode(), served_by.encode()
        rendered = bytes(problem_response(TooBusy(_TOO_BUSY), _ID).body)
        self._before_id, _, self._after_id = rendered.partition(_ID.encode())
        self._n_refused, self._logged_s = 0, -math.inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        wait_s = self._shedding.too_long_s(scope)
        if wait_s is None:
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()
        await self._refuse(scope, wait_s, send)
        self._metrics.observe(known_method(scope), "unmatched", TooBusy.status, time.perf_counter() - began_s)
        self._count(began_s)

    async def _refuse(self, scope: Scope, wait_s: float, send: Send) -> None:
        request_id = request_id_of(scope)
        content_type, body = self._rendered(scope["path"], request_id)
        headers = [
            (b"content-type", content_type),
            (b"content-length", b"%d" % len(body)),
            (b"retry-after", b"%d" % max(1, math.ceil(wait_s))),
            (_REQUEST_ID, request_id),
            self._served_by,
        ]
        await send({"type": "http.response.start", "status": TooBusy.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _rendered(self, path: str, request_id: bytes) -> tuple[bytes, bytes]:
        render = self._forms.of(path)
        if render is problem_response:
            return _PROBLEM, self._before_id + request_id + self._after_id
        answer = render(TooBusy(_TOO_BUSY), request_id.decode())
        return answer.headers["content-type"].encode(), bytes(answer.body)

    def _count(self, now_s: float) -> None:
        self._n_refused += 1
        if now_s - self._logged_s >= LOG_EVERY_S:
            log.warning("requests.refused", n_requests=self._n_refused)
            self._n_refused, self._logged_s = 0, now_s


def is_transfer(scope: Scope) -> bool:
    """Whether the request's body is large, or says nothing of its length."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) > SMALL_BODY
        if name == b"transfer-encoding":
            return True
    return False


async def _refuse(refusal: Refusal, _send: Send) -> None:
    """As the problem that the outermost layer renders."""
    raise _KINDS[refusal.status](refusal.detail, retry_after_s=refusal.retry_after_s)
