"""Inference: from a request of either transport to the scores that it asks for."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

from pynomaly_chassis.problems import Invalid
from pynomaly_scoring import Rows, Scores

from model_service.metrics import ModelMetrics
from model_service.open_inference.columns import CONFIDENCE, OUTPUTS, PLACE, USUAL_OUTPUTS, check_outputs, rows_of
from model_service.open_inference.requests import InferRequest
from model_service.open_inference.tensors import Array, TensorInvalid, datatype_of
from model_service.runtime import ServedModel
from model_service.scoring import INLINE_BYTES, Scoring

Answer = TypeVar("Answer")
Result = TypeVar("Result")


class Output(NamedTuple):
    """One of the scores, (n_rows,). binary: whether REST is to send it as binary."""

    name: str
    array: Array
    binary: bool

    @property
    def datatype(self) -> str:
        return datatype_of(self.array)


@dataclass(frozen=True, slots=True)
class Inference:
    """What a request is answered with."""

    model: ServedModel
    id: str | None
    outputs: list[Output]


class Infer:
    """The use case of inference."""

    def __init__(self, scoring: Scoring, metrics: ModelMetrics, *, max_rows: int) -> None:
        self._scoring, self._metrics, self.max_rows = scoring, metrics, max_rows
        self.intake = scoring.intake
        self.counted = scoring.counted

    async def __call__(
        self,
        tenant_id: str,
        n_bytes: int,
        read: Callable[[], InferRequest],
        render: Callable[[Inference], Answer],
    ) -> Answer:
        """The answer to the request of n_bytes that `read` gives.

        Reading, scoring and rendering are done on a thread where they take long. Raises ProblemError.
        """
        began = time.perf_counter()
        request = await self._scoring.apart(n_bytes, partial(_translated, read))
        model = await self._scoring.model(tenant_id, request.model, request.version)
        work = partial(_translated, partial(self._answer, model, request, render, began))
        if n_bytes <= INLINE_BYTES and _n_rows(request) <= model.inline_rows:
            return work()
        return await self._scoring.pool.run(work)

    def _answer(
        self, model: ServedModel, request: InferRequest, render: Callable[[Inference], Answer], began: float
    ) -> Answer:
        wanted = _wanted(request)
        rows = rows_of(request.inputs, model.columns, self.max_rows)
        outputs = self._outputs(model, rows, wanted)
        answer = render(Inference(model, request.id, outputs))
        self._metrics.answered(model.name, time.perf_counter() - began)
        return answer

    def _outputs(self, model: ServedModel, rows: Rows, wanted: dict[str, bool]) -> list[Output]:
        scores: Scores = self._scoring.score_here(model, rows, confidence=CONFIDENCE in wanted, place=PLACE)
        return [Output(name, getattr(scores, name), binary) for name, binary in wanted.items()]


def _wanted(request: InferRequest) -> dict[str, bool]:
    """The outputs to give, and whether as binary. Raises TensorInvalid."""
    if request.outputs is not None:
        check_outputs([output.name for output in request.outputs])
        return {output.name: output.binary for output in request.outputs}
    confidence = request.parameters.get(CONFIDENCE, False)
    if not isinstance(confidence, bool):
        raise TensorInvalid(f"the parameter {CONFIDENCE} must be true or false")
    return dict.fromkeys(OUTPUTS if confidence else USUAL_OUTPUTS, request.binary)


def _n_rows(request: InferRequest) -> int:
    return request.inputs[0].shape[0] if request.inputs else 0


def _translated(work: Callable[[], Result]) -> Result:
    """Raises Invalid in place of TensorInvalid."""
    try:
        return work()
    except TensorInvalid as error:
        raise Invalid.field("body", None, str(error)) from error
