"""How a child talks with its parent."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from pynomaly_chassis.problems import ProblemError, problem_document
from pynomaly_scoring import ArtefactError

from detector_service.algorithms import UnknownAlgorithm
from detector_service.domain import Unfit
from detector_service.errors import AlgorithmNotHere, ArtefactRefused, DataUnfit
from detector_service.worker.sandbox import ANSWER, REFUSAL, REQUEST, Report

Work = Callable[[Path, dict[str, Any], Report], dict[str, Any]]


def answer(load: Callable[[], Work], folder: Path, channel: int) -> None:
    """Do the work of the folder's request and leave its answer, or the problem that is the request's own fault."""

    def report(stage: str, progress: float) -> None:
        os.write(channel, orjson.dumps((stage, progress)) + b"\n")

    request = orjson.loads((folder / REQUEST).read_bytes())
    try:
        found = load()(folder, request, report)
    except Unfit as error:
        _refuse(folder, DataUnfit.because(error.refusals))
    except UnknownAlgorithm as error:
        _refuse(folder, AlgorithmNotHere(str(error)))
    except ArtefactError as error:
        _refuse(folder, ArtefactRefused(str(error), reason=error.reason))
    else:
        (folder / ANSWER).write_bytes(orjson.dumps(found))


def _refuse(folder: Path, problem: ProblemError) -> None:
    (folder / REFUSAL).write_bytes(orjson.dumps(problem_document(problem)))
