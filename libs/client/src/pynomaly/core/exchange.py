"""What a hook is told of each request."""

from collections.abc import Callable
from dataclasses import dataclass

from pynomaly.core.call import Call, Upload
from pynomaly.errors import shortened


@dataclass(frozen=True)
class Exchange:
    """One attempt at one request, as it ended.

    path: with its query. sent: the body in a few words. status: None where no answer came. attempt: from 1.
    """

    method: str
    path: str
    sent: str | None
    status: int | None
    duration_ms: float
    attempt: int


OnRequest = Callable[[Exchange], None]


def in_words(call: Call[object]) -> str | None:
    """The body, short enough for a line."""
    if call.upload is not None:
        return _form(call.upload)
    return None if call.body is None else shortened(call.body[:400].decode("utf-8", "ignore"), 100)


def _form(upload: Upload) -> str:
    return ", ".join(
        [f"file={upload.filename}", *(f"{name}={shortened(text)}" for name, text in upload.fields.items())]
    )
