"""What can go wrong with models and predictions."""

from pynomaly_chassis.problems import BodyTooLarge, Conflict, Invalid, ProblemError, Unavailable
from pynomaly_contracts.problems import FieldProblem
from pynomaly_scoring import ArtefactError


class ArtefactRefused(Invalid):
    """An artefact that must not be registered; `reason` is a stable slug."""

    type, title = "/problems/artefact-refused", "Artefact is refused"

    @classmethod
    def because(cls, error: ArtefactError) -> "ArtefactRefused":
        message = str(error)[:500]
        return cls(message, errors=[FieldProblem(field="body", message=message)], reason=error.reason)


class ArtefactUntrusted(ProblemError):
    """What storage holds is not what was registered, or its key is no longer trusted."""

    status, type, title = 500, "/problems/artefact-untrusted", "The stored artefact is not trusted"


class ModelTooLarge(ProblemError):
    """The model alone is over the memory that this process may use for models."""

    status, type, title = 507, "/problems/model-too-large", "Model does not fit into memory"


class NoDefaultModel(Conflict):
    """Predict without model_id, and the tenant has no default."""

    type, title = "/problems/no-default-model", "There is no default model"


class AliasElsewhere(Conflict):
    """An alias is not where its mover expected it; `current_version` says where it is."""

    type, title = "/problems/alias-elsewhere", "The alias points elsewhere"


class StillNamed(Conflict):
    """Something points at what is to be deleted; `holders` names each, with what frees it."""

    type, title = "/problems/still-named", "Something still points there"


class TooManyAliases(Conflict):
    """A model has as many aliases as it may have."""

    type, title = "/problems/too-many-aliases", "The model has too many aliases"


class NotOffered(Invalid):
    """A field that the contract reserves for later."""

    type, title = "/problems/not-offered", "Not offered yet"


class TooManyRows(BodyTooLarge):
    """A batch over MAX_DETECTION_BATCH_SIZE."""

    type, title = "/problems/too-many-rows", "Batch has too many rows"


class ScoreNotFinite(Invalid):
    """The numbers are finite, but so large that the model's arithmetic overflows."""

    type, title = "/problems/score-not-finite", "Rows have no finite score"


class ScoringBusy(Unavailable):
    """Every scoring thread is busy and the queue is full."""

    type, title = "/problems/scoring-busy", "Too much is being scored"


class BodyStalled(ProblemError):
    """The sender of a large body stopped in the middle."""

    status, type, title = 408, "/problems/body-stalled", "The body stopped coming"


class TooManyStreams(Unavailable):
    """As many streams are open as this process serves."""

    type, title = "/problems/too-many-streams", "Too many streams are open"


class ModelFailed(ProblemError):
    """The runtime failed on a model that had been checked."""

    status, type, title = 500, "/problems/model-failed", "The model failed"
