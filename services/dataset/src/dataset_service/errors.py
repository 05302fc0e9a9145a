"""The dataset service's problems, and the seam where foreign errors become them."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
from pynomaly_chassis.problems import Invalid, NotFound, ProblemError
from pynomaly_contracts.problems import FieldProblem

# A quota and a file-size limit are full disks too, for whoever meets them.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


class DatasetNotFound(NotFound):
    """No data set has this id or name, or it was deleted."""

    type, title = "/problems/dataset-not-found", "Data set not found"


class NotAcceptable(ProblemError):
    """None of the media types that the caller accepts is offered."""

    status, type, title = 406, "/problems/not-acceptable", "Media type is not offered"


class UploadTimedOut(ProblemError):
    """The sender fell silent in the middle of an upload."""

    status, type, title = 408, "/problems/upload-timed-out", "Upload stalled"


class StorageFull(ProblemError):
    """There is no room for the bytes."""

    status, type, title = 507, "/problems/storage-full", "Storage is full"


class InvalidFile(Invalid):
    """The file's content cannot become a table."""

    type, title = "/problems/invalid-file", "File cannot be read as a table"

    @classmethod
    def at(cls, message: str, value: Any = None, **members: Any) -> "InvalidFile":
        """`members` say where: line, byte_offset, column, row."""
        return cls(message, errors=[FieldProblem(field="body.file", message=message, value=value)], **members)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raises StorageFull where the block met a full disk; other errors pass."""
    try:
        yield
    except (OSError, pl.exceptions.PolarsError) as error:
        if _os_error(error) not in _FULL:
            raise
        raise StorageFull("there is no room left to store this; free some space, then send it again") from error


def _os_error(error: Exception) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _OS_ERROR.search(str(error))  # Polars keeps the number in its message alone
    return int(found[1]) if found else None
