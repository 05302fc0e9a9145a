"""What this service refuses, and why a job fails.

ProblemError
|-- NotFound       DetectorNotFound, EvaluationNotFound, AlgorithmNotFound, DatasetNotFound, ModelNotFound
|-- Conflict       DetectorNotTrained, DetectorForBatches
|-- Invalid        DataUnfit
|-- Unavailable    PeerUnavailable: asking again later helps
|-- PeerRefused    a peer said no, in words of its own
|-- ArtefactRefused, MemoryLimitReached: ends of jobs
"""

from collections.abc import Sequence
from typing import Any

from pynomaly_chassis.problems import Conflict, Invalid, NotFound, ProblemError, Unavailable
from pynomaly_contracts.problems import FieldProblem

MAX_NAMED = 50


class DetectorNotFound(NotFound):
    """No detector has this id or name."""

    type, title = "/problems/detector-not-found", "Detector not found"


class EvaluationNotFound(NotFound):
    """The detector has no evaluation of this id."""

    type, title = "/problems/evaluation-not-found", "Evaluation not found"


class AlgorithmNotFound(NotFound):
    """No algorithm has this name."""

    type, title = "/problems/algorithm-not-found", "Algorithm not found"


class DatasetNotFound(NotFound):
    """The data set does not exist, was deleted, or has no such version."""

    type, title = "/problems/dataset-not-found", "Data set not found"


class ModelNotFound(NotFound):
    """The model or its version does not exist."""

    type, title = "/problems/model-not-found", "Model not found"


class DetectorNotTrained(Conflict):
    """The detector has no model yet."""

    type, title = "/problems/detector-not-trained", "Detector is not trained"


class DetectorForBatches(Conflict):
    """The detector's algorithm scores a batch against itself, so that it has no model."""

    type, title = "/problems/detector-for-batches", "Detector scores batches only"


class AlgorithmNotHere(Conflict):
    """The detector's algorithm is not on offer in this installation: of another version, or without an extra."""

    type, title = "/problems/algorithm-not-here", "Algorithm is not on offer here"


class DataUnfit(Invalid):
    """The data set cannot be used for what was asked."""

    type, title = "/problems/data-unfit", "Data set does not fit"

    @classmethod
    def because(cls, refusals: Sequence[tuple[str, Any, str]]) -> "DataUnfit":
        """Of (field, value, message), at least one."""
        wrong = [FieldProblem(field=field, value=value, message=message) for field, value, message in refusals]
        return cls("; ".join(item.message for item in wrong[:MAX_NAMED]), errors=wrong[:MAX_NAMED])


class PeerUnavailable(Unavailable):
    """Another service does not answer."""

    type, title = "/problems/peer-unavailable", "A service that this needs does not answer"


class PeerRefused(ProblemError):
    """Another service refused what it was asked; `cause` is its own problem."""

    status, type, title = 502, "/problems/peer-refused", "Another service refused"


class ArtefactRefused(ProblemError):
    """The model's artefact is not one that this installation may score with."""

    status, type, title = 502, "/problems/artefact-refused", "Model artefact is refused"


class MemoryLimitReached(ProblemError):
    """The work needs more memory than a job may have."""

    status, type, title = 413, "/problems/job-memory-limit", "Job needs too much memory"
