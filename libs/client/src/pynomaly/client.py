"""The suite, as Python sees it: `Client` blocks, `AsyncClient` is awaited. Both are the same code; see core/."""

import os
from collections.abc import AsyncGenerator, Iterable
from typing import Any, Self
from uuid import UUID

from pynomaly_contracts.health import Health, SuiteStatus
from pynomaly_contracts.jobs import DetectBatchResult
from pynomaly_contracts.predictions import BatchPrediction, Prediction

from pynomaly import detectors, predictions
from pynomaly import stream as streams
from pynomaly.admin import Admin, AsyncAdmin
from pynomaly.core.blocking import Blocking, blocking, iterating, run
from pynomaly.core.call import Call, an
from pynomaly.core.exchange import OnRequest
from pynomaly.core.session import Session
from pynomaly.core.wire import AsyncWire, BlockingWire, Wire
from pynomaly.datasets import AsyncDatasets, Datasets
from pynomaly.detectors import Algorithms, AsyncAlgorithms, AsyncDetectors, Detectors
from pynomaly.jobs import AsyncJobHandle, AsyncJobs, Jobs, starting
from pynomaly.models import AsyncModels, Models
from pynomaly.scorable import ScorableRows

Ref = str | UUID
DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT_S = 30.0


class AsyncClient:
    """A suite at `url`; without, at PYNOMALY_URL, else at http://127.0.0.1:8080.

    timeout_s: longest wait for one answer, > 0. on_request: is told of each request (an Exchange) when it has ended.
    Requests that do no harm twice are tried four times, within a budget of 10 % of the calls and 3 a second; what
    creates carries an Idempotency-Key, so that it may be.
    Use it as a context manager, or close it.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        on_request: OnRequest | None = None,
        wire: Wire | None = None,
    ) -> None:
        self.url = (url or os.environ.get("PYNOMALY_URL") or DEFAULT_URL).rstrip("/")
        self._session = Session(wire or AsyncWire(self.url, timeout_s), self.url, timeout_s, on_request)
        self.datasets = AsyncDatasets(self._session)
        self.detectors = AsyncDetectors(self._session)
        self.algorithms = AsyncAlgorithms(self._session)
        self.jobs = AsyncJobs(self._session)
        self.models = AsyncModels(self._session)
        self.admin = AsyncAdmin(self._session)

    async def predict(
        self, row: Any, model_id: Ref | None = None, *, version: str | None = None, return_confidence: bool = False
    ) -> Prediction:
        """Score one row: a dict of feature to number, or numbers in the model's order.

        Without model_id the default model scores. Raises InvalidInput, ValidationFailed (which names the feature),
        NotFound, Conflict (there is no default model).
        """
        return await predictions.predict(self._session, row, model_id, version, return_confidence)

    async def predict_batch(
        self,
        rows: ScorableRows,
        model_id: Ref | None = None,
        *,
        version: str | None = None,
        return_confidence: bool = False,
    ) -> BatchPrediction:
        """Score rows in their order: dicts, lists, an array (n_rows, n_features), a Polars or pandas frame.

        Many rows go in several requests, all scored by the version that scored the first.
        """
        return await predictions.predict_batch(self._session, rows, model_id, version, return_confidence)

    def stream(
        self,
        rows: Iterable[Any],
        model_id: Ref | None = None,
        *,
        version: str | None = None,
        return_confidence: bool = False,
        in_flight: int = streams.IN_FLIGHT,
    ) -> AsyncGenerator[Prediction, None]:
        """Score rows as they come, over one WebSocket: for each its prediction, in order.

        in_flight: so many rows are sent ahead of their answers, >= 1; 1 answers each row before the next is taken.
        Raises as `predict`, at the row that is refused, and ConnectionFailed; nothing is retried.
        """
        return streams.stream(
            self._session,
            rows,
            model_id=model_id,
            version=version,
            return_confidence=return_confidence,
            in_flight=in_flight,
        )

    async def detect_batch(
        self,
        dataset: Ref,
        model_id: Ref | None = None,
        *,
        detector_id: Ref | None = None,
        version: str | None = None,
        name: str | None = None,
        time_limit_s: float | None = None,
    ) -> AsyncJobHandle[DetectBatchResult]:
        """Score every row of a stored data set into a new one, called `name`.

        By a model; or by a detector: with its latest model, or against itself where that is what its algorithm does.
        """
        by = {"model_id": model_id, "detector_id": detector_id}
        return await detectors.detect_batch(
            self._session, dataset, **by, version=version, name=name, time_limit_s=time_limit_s
        )

    async def health(self) -> Health:
        """How the front door is; also when it is unhealthy."""
        return await self._session.send(Call("GET", "/health", an(Health), also=(503,)))

    async def status(self) -> SuiteStatus:
        """How every service is."""
        return await self._session.send(Call("GET", "/status", an(SuiteStatus)))

    async def close(self) -> None:
        """Give the connections back."""
        await self._session.wire.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()


class Client(Blocking[AsyncClient]):
    """A suite at `url`; without, at PYNOMALY_URL, else at http://127.0.0.1:8080.

    timeout_s: longest wait for one answer, > 0. on_request: is told of each request (an Exchange) when it has ended.
    Requests that do no harm twice are tried four times, within a budget of 10 % of the calls and 3 a second; what
    creates carries an Idempotency-Key, so that it may be.
    Use it as a context manager, or close it.
    """

    def __init__(
        self, url: str | None = None, *, timeout_s: float = TIMEOUT_S, on_request: OnRequest | None = None
    ) -> None:
        self.url = (url or os.environ.get("PYNOMALY_URL") or DEFAULT_URL).rstrip("/")
        wire = BlockingWire(self.url, timeout_s)
        core = AsyncClient(self.url, timeout_s=timeout_s, on_request=on_request, wire=wire)
        super().__init__(core)
        self.datasets = Datasets(core.datasets)
        self.detectors = Detectors(core.detectors)
        self.algorithms = Algorithms(core.algorithms)
        self.jobs = Jobs(core.jobs)
        self.models = Models(core.models)
        self.admin = Admin(core.admin)

    predict = blocking(AsyncClient.predict)
    predict_batch = blocking(AsyncClient.predict_batch)
    stream = iterating(AsyncClient.stream)
    detect_batch = starting(AsyncClient.detect_batch)
    health = blocking(AsyncClient.health)
    status = blocking(AsyncClient.status)
    close = blocking(AsyncClient.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        run(self.core.close())
