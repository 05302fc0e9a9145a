"""A CSV file as chunks of whole records, each byte checked to be text and each quote to be where RFC 4180 has it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from dataset_service.errors import InvalidFile

Mask = NDArray[np.bool_]

CHUNK_BYTES = 4 * 1024 * 1024
MAX_RECORD_BYTES = 16 * 1024 * 1024
LF, CR, QUOTE = b'\n\r"'


@dataclass(frozen=True)
class Records:
    """Whole records; the last one's line feed is added where the file has none."""

    content: bytes
    line: int  # of the first byte, from 1
    offset: int  # of the first byte in the file

    def line_at(self, position: int) -> int:
        """The line, from 1, of the byte at `position` of the content."""
        return self.line + self.content.count(b"\n", 0, position)

    def check_text(self) -> None:
        """Raises InvalidFile at a NUL byte and at what is not UTF-8."""
        position = self.content.find(b"\0")
        if position >= 0:
            fix = "remove it, or name the file's encoding, such as utf-16"
            raise self._refuse(position, "has a NUL byte", fix)
        if self.content.isascii():
            return
        try:
            self.content.decode()
        except UnicodeDecodeError as error:
            what = f"is not UTF-8 at byte {self.offset + error.start} of the file"
            fix = "save the file as UTF-8, or name its encoding, such as cp1252"
            raise self._refuse(error.start, what, fix) from error

    def _refuse(self, position: int, what: str, fix: str) -> InvalidFile:
        line, byte = self.line_at(position), f"0x{self.content[position]:02X}"
        return InvalidFile.at(f"line {line} {what}; {fix}", byte, line=line, byte_offset=self.offset + position)


def read_records(file: BinaryIO, offset: int) -> Iterator[Records]:
    """The records from the file's position, `offset`, in chunks of some megabytes. Raises InvalidFile."""
    rest, line = b"", 1
    while block := file.read(CHUNK_BYTES):
        rest += block
        cut = _last_end(rest)
        if cut:
            yield Records(rest[:cut], line, offset)
            line, offset, rest = line + rest.count(b"\n", 0, cut), offset + cut, rest[cut:]
        if len(rest) > MAX_RECORD_BYTES:
            message = f"the record on line {line} is over {MAX_RECORD_BYTES} bytes; is a quote left open there?"
            raise InvalidFile.at(message, line=line)
    if rest:
        yield Records(rest + b"\n", line, offset)


def _last_end(content: bytes) -> int:
    """Where the last whole record ends; 0 where none does."""
    inside = inside_quotes(content)
    if inside is None:
        return content.rfind(b"\n") + 1
    ends = np.flatnonzero((np.frombuffer(content, np.uint8) == LF) & ~inside)
    return int(ends[-1]) + 1 if ends.size else 0


def inside_quotes(content: bytes) -> Mask | None:
    """Which bytes follow an odd number of quotes; None where there are no quotes. `content` begins a record."""
    if QUOTE not in content:  # a search in C, twenty times as fast as a mask
        return None
    is_quote = np.frombuffer(content, np.uint8) == QUOTE
    return (np.cumsum(is_quote, dtype=np.uint8) & 1).astype(np.bool_)


def check_quotes(records: Records, separator: int) -> None:
    """Raises InvalidFile at a quote inside a cell without quotes, after a closing one, or never closed."""
    if QUOTE not in records.content:
        return
    content = np.frombuffer(records.content, np.uint8)
    quotes = np.flatnonzero(content == QUOTE)
    opening, closing = quotes[0::2], quotes[1::2]
    before = np.where(opening > 0, content[opening - 1], LF)
    after = content[closing + 1]  # the content ends with a line feed, so there is one
    stray = np.concatenate(
        (
            opening[~np.isin(before, (separator, LF, QUOTE))],
            closing[~np.isin(after, (separator, LF, CR, QUOTE))],
        )
    )
    if stray.size:
        line = records.line_at(int(stray.min()))
        fix = 'put the whole cell in quotes and double the ones inside: "5"" pipe"'
        raise InvalidFile.at(f"line {line} has a quote in the middle of a cell; {fix}", '"', line=line)
    if quotes.size % 2:
        line = records.line_at(int(quotes[-1]))
        raise InvalidFile.at(f"the quote that opens on line {line} is never closed", '"', line=line)
