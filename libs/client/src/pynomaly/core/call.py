"""One call of the API: what to send, and how to read the answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Generic, TypeVar
from urllib.parse import quote
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError

from pynomaly.errors import InvalidInput, shortened

T = TypeVar("T")
Payload = TypeVar("Payload", bound=BaseModel)
Query = Mapping[str, str | int | Sequence[str] | None]


@dataclass(frozen=True)
class Upload:
    """A multipart body whose file is read from its place while it is sent.

    replayable: whether the file can be read again from the start; if not, a failed upload is not retried.
    """

    filename: str
    stream: BinaryIO
    fields: Mapping[str, str]
    replayable: bool


@dataclass(frozen=True)
class Call(Generic[T]):
    """creates: whether it makes something, and so travels with an Idempotency-Key.

    also: error statuses whose body is an answer too. timeout_s: at least this long, for slow answers. token: sent as
    `Authorization: Bearer`.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    query: Query = field(default_factory=dict)
    body: bytes | None = None
    upload: Upload | None = None
    accept: str = "application/json"
    creates: bool = False
    also: tuple[int, ...] = ()
    timeout_s: float = 0.0
    token: str | None = field(default=None, repr=False)

    @property
    def replayable(self) -> bool:
        return self.upload is None or self.upload.replayable


def get(read: Callable[[bytes], T], *path: object, query: Query | None = None, also: tuple[int, ...] = ()) -> Call[T]:
    """Ask for something. `path` is in segments, each escaped."""
    return Call("GET", path_of(path), read, query=query or {}, also=also)


def delete(*path: object) -> Call[None]:
    """Remove something."""
    return Call("DELETE", path_of(path), nothing)


def send(method: str, read: Callable[[bytes], T], *path: object, payload: BaseModel, creates: bool = False) -> Call[T]:
    """Send a payload, only the fields that were said."""
    body = payload.model_dump_json(exclude_unset=True).encode()
    return Call(method, path_of(path), read, body=body, creates=creates)


def path_of(segments: Sequence[object]) -> str:
    """'/api/v1/' and the segments, escaped so that a name can never become another path."""
    parts = [quote(text_of(segment), safe="") for segment in segments]
    if not all(parts) or {".", ".."} & set(parts):
        raise InvalidInput(f"{'/'.join(map(str, segments))!r}: an id or a name is needed in each place of the path")
    return "/api/v1/" + "/".join(parts)


def text_of(ref: object) -> str:
    """An id, a name or a version as text. Raises InvalidInput for anything else, such as a whole Dataset."""
    if isinstance(ref, (str, UUID, int)):
        return str(ref)
    right = "give its .id" if hasattr(ref, "id") else "give one, as text"
    raise InvalidInput(f"{shortened(repr(ref))}: a {type(ref).__name__} is no id and no name; {right}")


def payload(kind: type[Payload], **fields: Any) -> Payload:
    """The contract's payload of the fields that are not None. Raises InvalidInput, naming what is wrong."""
    return exactly(kind, {name: value for name, value in fields.items() if value is not None})


def exactly(kind: type[Payload], fields: Mapping[str, Any]) -> Payload:
    """The contract's payload of these fields, None among them. Raises InvalidInput, naming what is wrong."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise InvalidInput.of(error) from error


def an(kind: type[T]) -> Callable[[bytes], T]:
    """Read a JSON answer as the contract's `kind`."""
    return TypeAdapter(kind).validate_json


def nothing(_body: bytes) -> None:
    """Read an answer that says only that it is done."""
