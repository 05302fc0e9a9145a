"""Detectors and algorithms: `client.detectors`, `client.algorithms`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from pynomaly_contracts.base import Page
from pynomaly_contracts.detectors import (
    Algorithm,
    AlgorithmList,
    CloneRequest,
    DetectBatchRequest,
    Detector,
    DetectorChanges,
    DetectorCreate,
    DetectorUpdate,
    EvaluateRequest,
    RetrainRequest,
    TrainRequest,
)
from pynomaly_contracts.evaluations import Comparison, Evaluation, Metric
from pynomaly_contracts.jobs import DetectBatchResult, EvaluateResult, JobAccepted, TrainResult

from pynomaly.core.blocking import Blocking, blocking, iterating
from pynomaly.core.call import an, delete, get, payload, send, text_of
from pynomaly.core.paging import every
from pynomaly.core.session import Session
from pynomaly.jobs import AsyncJobHandle, starting

Ref = str | UUID


class AsyncDetectors:
    """Create, train and evaluate detectors. A detector is named by its id or its name."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def create(
        self,
        name: str,
        algorithm: str,
        *,
        contamination: float | None = None,
        parameters: Mapping[str, Any] | None = None,
        feature_columns: Sequence[str] | None = None,
        preprocessing: Mapping[str, Any] | None = None,
        threshold: Mapping[str, Any] | None = None,
        seed: int | None = None,
        description: str | None = None,
    ) -> Detector:
        """A detector, not yet trained. contamination: expected share of anomalies, in (0, 0.5], 0.1 if not said.

        feature_columns: without, every column of numbers or booleans that is not the target, and those of texts and
        dates where preprocessing says what to make of them. preprocessing: missing, categories, dates, scaling, ...,
        as pynomaly_contracts.detectors.Preprocessing has them, such as {"missing": "median", "categories": "onehot"}.
        threshold: without, by contamination; {"method": "precision", "target": 0.9} and {"method": "false_alarm_rate",
        "target": 0.01} keep that on the labels of the training data.
        Raises InvalidInput, Conflict (the name is taken), ValidationFailed (unknown algorithm or parameter).
        """
        body = payload(
            DetectorCreate,
            name=name,
            algorithm=algorithm,
            contamination=contamination,
            parameters=parameters,
            feature_columns=feature_columns,
            preprocessing=preprocessing,
            threshold=threshold,
            seed=seed,
            description=description,
        )
        return await self._session.send(send("POST", an(Detector), "detectors", payload=body, creates=True))

    async def get(self, detector: Ref) -> Detector:
        """One detector. Raises NotFound."""
        return await self._session.send(get(an(Detector), "detectors", detector))

    async def update(self, /, detector: Ref, **changes: Any) -> Detector:
        """Change what is named for the next training: all that `create` takes but name and algorithm."""
        body = payload(DetectorUpdate, **changes)
        return await self._session.send(send("PATCH", an(Detector), "detectors", detector, payload=body))

    async def clone(self, /, detector: Ref, name: str, **changes: Any) -> Detector:
        """A new detector, not yet trained, set up as another one but for the changes: all that `create` takes.

        Another algorithm needs its parameters said; {} are its defaults. Raises NotFound, Conflict (the name is taken),
        ValidationFailed.
        """
        body = payload(CloneRequest, name=name, changes=payload(DetectorChanges, **changes))
        return await self._session.send(
            send("POST", an(Detector), "detectors", detector, "clone", payload=body, creates=True)
        )

    async def delete(self, detector: Ref) -> None:
        """Remove it; its model and the model's versions stay. Raises NotFound."""
        await self._session.send(delete("detectors", detector))

    async def train(
        self, detector: Ref, dataset: Ref, *, dataset_version: str | None = None, time_limit_s: float | None = None
    ) -> AsyncJobHandle[TrainResult]:
        """Train on all rows, without the target column: the next version of the detector's model.

        time_limit_s: how long it may take, s; the suite has a limit of its own.
        """
        wanted = {"dataset_version": dataset_version, "time_limit_s": time_limit_s}
        body = payload(TrainRequest, dataset_id=text_of(dataset), **wanted)
        return AsyncJobHandle(self._session, await _started(self._session, body, "detectors", detector, "train"))

    async def retrain(
        self,
        detector: Ref,
        dataset: Ref | None = None,
        *,
        dataset_version: str | None = None,
        time_limit_s: float | None = None,
    ) -> AsyncJobHandle[TrainResult]:
        """Train the next version as the latest one: on its data set as that is now, if no other is named.

        The result's `before` tells how the two differ. Raises Conflict where the detector was never trained.
        """
        named = None if dataset is None else text_of(dataset)
        wanted = {"dataset_version": dataset_version, "time_limit_s": time_limit_s}
        body = payload(RetrainRequest, dataset_id=named, **wanted)
        return AsyncJobHandle(self._session, await _started(self._session, body, "detectors", detector, "retrain"))

    async def evaluate(
        self,
        detector: Ref,
        dataset: Ref,
        *,
        dataset_version: str | None = None,
        model_version: str | None = None,
        time_limit_s: float | None = None,
    ) -> AsyncJobHandle[EvaluateResult]:
        """Compare scores and verdicts with the labels in the data set's target column."""
        versions = {"dataset_version": dataset_version, "model_version": model_version}
        body = payload(EvaluateRequest, dataset_id=text_of(dataset), time_limit_s=time_limit_s, **versions)
        return AsyncJobHandle(self._session, await _started(self._session, body, "detectors", detector, "evaluate"))

    async def evaluations(
        self, detector: Ref, *, dataset_id: UUID | None = None, model_version: str | None = None
    ) -> AsyncIterator[Evaluation]:
        """What is known of its versions' agreement with labels, newest first; trainings on labelled rows count, too."""
        query = {"dataset_id": None if dataset_id is None else str(dataset_id), "model_version": model_version}
        async for each in every(self._session, an(Page[Evaluation]), "detectors", detector, "evaluations", query=query):
            yield each

    async def delete_evaluation(self, detector: Ref, evaluation: Ref) -> None:
        """Remove one of its evaluations, by id; the job that made it stays. Raises NotFound."""
        await self._session.send(delete("detectors", detector, "evaluations", evaluation))

    async def compare(
        self, detectors: Sequence[Ref], dataset: Ref, *, dataset_version: str | None = None, metric: Metric = "roc_auc"
    ) -> Comparison:
        """2 to 20 detectors by their evaluations on the same rows, the best in the metric first.

        Differences have paired 95 % intervals. Detectors without an evaluation are in `missing`. Raises NotFound,
        ValidationFailed.
        """
        ids = ",".join(map(text_of, detectors))
        query = {"ids": ids, "dataset_id": text_of(dataset), "dataset_version": dataset_version, "metric": metric}
        return await self._session.send(get(an(Comparison), "detectors", "compare", query=query))

    async def list(self) -> AsyncIterator[Detector]:
        """Every detector, newest first; pages are fetched as they are needed."""
        async for detector in every(self._session, an(Page[Detector]), "detectors"):
            yield detector


class Detectors(Blocking[AsyncDetectors]):
    """Create, train and evaluate detectors. A detector is named by its id or its name."""

    create = blocking(AsyncDetectors.create)
    get = blocking(AsyncDetectors.get)
    update = blocking(AsyncDetectors.update)
    delete = blocking(AsyncDetectors.delete)
    train = starting(AsyncDetectors.train)
    evaluate = starting(AsyncDetectors.evaluate)
    clone = blocking(AsyncDetectors.clone)
    retrain = starting(AsyncDetectors.retrain)
    evaluations = iterating(AsyncDetectors.evaluations)
    delete_evaluation = blocking(AsyncDetectors.delete_evaluation)
    compare = blocking(AsyncDetectors.compare)
    list = iterating(AsyncDetectors.list)


class AsyncAlgorithms:
    """What detectors can use."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, algorithm: str) -> Algorithm:
        """One algorithm, with the JSON Schema of its parameters. Raises NotFound."""
        return await self._session.send(get(an(Algorithm), "algorithms", algorithm))

    async def list(self) -> "list[Algorithm]":
        """Every algorithm on offer, by name."""
        return (await self._session.send(get(an(AlgorithmList), "algorithms"))).items


class Algorithms(Blocking[AsyncAlgorithms]):
    """What detectors can use."""

    get = blocking(AsyncAlgorithms.get)
    list = blocking(AsyncAlgorithms.list)


async def detect_batch(
    session: Session,
    dataset: Ref,
    *,
    model_id: Ref | None,
    detector_id: Ref | None,
    version: str | None,
    name: str | None,
    time_limit_s: float | None,
) -> AsyncJobHandle[DetectBatchResult]:
    """Score a stored data set into a new one."""
    by = {"model_id": model_id, "detector_id": detector_id}
    named = {field: text_of(ref) for field, ref in by.items() if ref is not None}
    wanted = {"version": version, "name": name, "time_limit_s": time_limit_s}
    body = payload(DetectBatchRequest, dataset_id=text_of(dataset), **wanted, **named)
    return AsyncJobHandle(session, await _started(session, body, "detect", "batch"))


async def _started(session: Session, body: BaseModel, *path: object) -> UUID:
    return (await session.send(send("POST", an(JobAccepted), *path, payload=body, creates=True))).job_id
