"""An upload's multipart body, parsed as it arrives: the file goes to the disk, the few fields to memory."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pynomaly_chassis.problems import Invalid, MalformedBody, UnsupportedMediaType
from pynomaly_chassis.storage import room_needed
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from dataset_service.errors import UploadTimedOut
from dataset_service.formats import HEAD_BYTES
from dataset_service.reading import ReadingWanted

WRITE_BYTES = 1024 * 1024
MAX_FIELD_BYTES = 16 * 1024
Fields = TypeVar("Fields", bound=ReadingWanted)


@dataclass(frozen=True)
class Received(Generic[Fields]):
    """A whole upload. The file is at the path that `receive` was given."""

    fields: Fields
    content_type: str
    head: bytes
    sha256: str
    size_bytes: int


async def receive(
    chunks: AsyncIterator[bytes], content_type: str, path: Path, kind: type[Fields], *, idle_timeout_s: float
) -> Received[Fields]:
    """Write the part `file` to `path`, holding a megabyte of it at a time; the other parts are fields of `kind`.

    Raises UnsupportedMediaType (415), MalformedBody (400), Invalid (422), UploadTimedOut (408), StorageFull (507).
    """
    form = _Form(_boundary(content_type), kind)
    async with _writing(path) as written:
        async for chunk in _until_silence(chunks, idle_timeout_s):
            form.feed(chunk)
            if len(form.pending) >= WRITE_BYTES:
                await written.append(form.take())
        await written.append(form.take())
    form.finish()
    return Received(form.parsed_fields(), form.file_type, written.head, written.sha256.hexdigest(), written.size_bytes)


async def receive_bare(
    chunks: AsyncIterator[bytes], content_type: str, path: Path, fields: Fields, *, idle_timeout_s: float
) -> Received[Fields]:
    """As `receive`, of a body that is the file. Raises MalformedBody (400), UploadTimedOut (408), StorageFull (507)."""
    pending = bytearray()
    async with _writing(path) as written:
        async for chunk in _until_silence(chunks, idle_timeout_s):
            pending.extend(chunk)
            if len(pending) >= WRITE_BYTES:
                await written.append(bytes(pending))
                pending.clear()
        await written.append(bytes(pending))
    kind = content_type.partition(";")[0].strip().lower()
    return Received(fields, kind, written.head, written.sha256.hexdigest(), written.size_bytes)


def _boundary(content_type: str) -> bytes:
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise UnsupportedMediaType(f"send multipart/form-data, not {kind.decode('latin-1') or 'an untyped body'!r}")
    if not options.get(b"boundary"):
        raise MalformedBody("the Content-Type has no boundary")
    return options[b"boundary"]


async def _until_silence(chunks: AsyncIterator[bytes], idle_timeout_s: float) -> AsyncIterator[bytes]:
    try:
        while True:
            async with asyncio.timeout(idle_timeout_s):
                chunk = await anext(chunks)
            yield chunk
    except StopAsyncIteration:
        return
    except TimeoutError as error:
        raise UploadTimedOut(f"nothing came for {idle_timeout_s:g} s; send it again") from error
    except ClientDisconnect as error:
        raise MalformedBody("the connection ended before the upload did") from error


@asynccontextmanager
async def _writing(path: Path) -> AsyncIterator["_Written"]:
    """A new file, whole on the disk's side when the block has ended in peace. Raises StorageFull."""
    with room_needed(), path.open("xb", buffering=0) as file:
        written = _Written(file)
        try:
            yield written
            await written.settle()
        finally:
            await written.end()


class _Written:
    """The file as far as it has come. A thread hashes and writes one piece while the next arrives."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._writing: asyncio.Future[None] | None = None
        self.head, self.sha256, self.size_bytes = b"", hashlib.sha256(), 0

    async def append(self, content: bytes) -> None:
        """Begin to write it, once the piece before is there. Raises what that one met."""
        await self.settle()
        self._writing = asyncio.ensure_future(asyncio.to_thread(self._append, content))

    async def settle(self) -> None:
        """Wait until all is written."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    async def end(self) -> None:
        """Wait until no thread writes, whatever came of it: the file is closed next, and its path is another's."""
        while self._writing is not None and not self._writing.done():
            with contextlib.suppress(asyncio.CancelledError):  # who cancels may do so more than once
                await asyncio.wait((self._writing,))
        if self._writing is not None and not self._writing.cancelled():
            self._writing.exception()  # it was told, or something came before it

    def _append(self, content: bytes) -> None:
        self.head = self.head or content[:HEAD_BYTES]
        self.sha256.update(content)
        self.size_bytes += len(content)
        rest = memoryview(content)
        while rest:
            rest = rest[self._file.write(rest) :]


class _Form(Generic[Fields]):
    """The parts as the parser reports them."""

    def __init__(self, boundary: bytes, kind: type[Fields]) -> None:
        self._kind = kind
        self.pending = bytearray()
        self.file_type = ""
        self._fields: dict[str, bytearray] = {}
        self._headers: dict[bytes, bytes] = {}
        self._header_name, self._header_value = bytearray(), bytearray()
        self._part, self._ended = "", False
        self._parser = self._parsing(boundary)

    def _parsing(self, boundary: bytes) -> MultipartParser:
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self._headers.clear,
                    "on_header_field": lambda data, start, end: self._header_name.extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header_value.extend(data[start:end]),
                    "on_header_end": self._on_header,
                    "on_headers_finished": self._on_part,
                    "on_part_data": self._on_content,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise MalformedBody(f"the body is not a readable form: {error}") from error

    def feed(self, chunk: bytes) -> None:
        """Parse what came."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MalformedBody(f"the body is not a readable form: {error}") from error

    def take(self) -> bytes:
        """The file's content since the last call."""
        content = bytes(self.pending)
        self.pending.clear()
        return content

    def finish(self) -> None:
        """Raises MalformedBody where the form has no end, Invalid where it has no file."""
        if not self._ended:
            raise MalformedBody("the form ends before its closing boundary")
        if "file" not in self._fields:
            raise Invalid.field("body.file", None, "Field required")

    def parsed_fields(self) -> Fields:
        """Raises RequestValidationError, which becomes a 422 that names each field."""
        texts = {name: _text(name, value) for name, value in self._fields.items() if name != "file"}
        try:
            return self._kind.model_validate(texts)
        except ValidationError as error:
            found = [{**item, "loc": ("body", *item["loc"])} for item in error.errors()]
            raise RequestValidationError(found) from error

    def _on_header(self) -> None:
        self._headers[bytes(self._header_name).lower()] = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _on_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        name = self._part = options.get(b"name", b"").decode("utf-8", "replace")
        if name != "file" and name not in self._kind.model_fields:
            raise Invalid.field(f"body.{name}", None, "unknown field; check its spelling or leave it out")
        if name in self._fields:
            raise Invalid.field(f"body.{name}", None, "the form has it twice; send it once")
        self._fields[name] = bytearray()
        if name == "file":
            given = self._headers.get(b"content-type", b"").decode("latin-1")
            self.file_type = given.partition(";")[0].strip().lower()

    def _on_content(self, data: bytes, start: int, end: int) -> None:
        if self._part == "file":
            self.pending.extend(memoryview(data)[start:end])
            return
        value = self._fields[self._part]
        value.extend(data[start:end])
        if len(value) > MAX_FIELD_BYTES:
            raise Invalid.field(f"body.{self._part}", value.decode("utf-8", "replace"), "too long for this field")

    def _on_end(self) -> None:
        self._ended = True


def _text(name: str, value: bytearray) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Invalid.field(f"body.{name}", value.decode("latin-1"), "not UTF-8") from error
