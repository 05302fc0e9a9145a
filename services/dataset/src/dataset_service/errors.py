"""The dataset service's problems."""

from typing import Any

from pynomaly_chassis.problems import Conflict, Invalid, NotFound, ProblemError, Unavailable
from pynomaly_contracts.problems import FieldProblem


class DatasetNotFound(NotFound):
    """No data set has this id or name, or it was deleted."""

    type, title = "/problems/dataset-not-found", "Data set not found"


class VersionNotFound(NotFound):
    """The data set has no such version."""

    type, title = "/problems/version-not-found", "Version not found"


class DatasetChanged(Conflict):
    """A newer version came while one was being made of the version before."""

    type, title = "/problems/dataset-changed", "Data set has changed"


class NotAcceptable(ProblemError):
    """None of the media types that the caller accepts is offered."""

    status, type, title = 406, "/problems/not-acceptable", "Media type is not offered"


class UploadTimedOut(ProblemError):
    """The sender fell silent in the middle of an upload."""

    status, type, title = 408, "/problems/upload-timed-out", "Upload stalled"


class InvalidFile(Invalid):
    """The file's content cannot become a table."""

    type, title = "/problems/invalid-file", "File cannot be read as a table"

    @classmethod
    def at(cls, message: str, value: Any = None, **members: Any) -> "InvalidFile":
        """`members` say where: line, byte_offset, column, row."""
        return cls(message, errors=[FieldProblem(field="body.file", message=message, value=value)], **members)


class ImportNotAllowed(ProblemError):
    """The operator has not allowed this source."""

    status, type, title = 403, "/problems/import-not-allowed", "Import source is not allowed"

    @classmethod
    def of(cls, field: str, value: Any, message: str) -> "ImportNotAllowed":
        """What a field asks for."""
        return cls(message, errors=[FieldProblem(field=field, message=message, value=value)])


class ImportTimedOut(ProblemError):
    """The source took longer than imports may."""

    status, type, title = 408, "/problems/import-timed-out", "Import took too long"


class SourceRefused(Invalid):
    """The source has nothing for us at this address, or its database refuses the query."""

    type, title = "/problems/import-source-refused", "Source refuses"

    @classmethod
    def of(cls, field: str, value: Any, message: str) -> "SourceRefused":
        """What a field asks for."""
        return cls(f"{field}: {message}", errors=[FieldProblem(field=field, message=message, value=value)])


class SourceUnavailable(Unavailable):
    """The source does not answer, or breaks off; trying again later may help."""

    type, title = "/problems/import-source-unavailable", "Source is unavailable"
