"""What a Parquet file would be in memory, before anything of it is read.

pyarrow's reader allocates what a page's header says that it will be, which the footer need not tell; and pyarrow's
description of a footer ends the process on some that are damaged. So both are read here, as far as it takes
(apache/parquet-format: parquet.thrift).
"""

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from model_service.bulk.thrift import CompactReader, Struct

MAX_PAGES = 100_000  # of one file; writers make pages of about 1 MiB
MAX_FOOTER_BYTES = 4 * 2**20
_MAGIC = b"PAR1"
_N_ROWS, _GROUPS, _CHUNKS = 3, 4, 1  # fields of FileMetaData and RowGroup
_ABOUT, _PATH, _LENGTH, _DATA, _DICTIONARY = 3, 3, 7, 9, 11  # fields of ColumnChunk and ColumnMetaData
_INFLATED, _COMPRESSED, _DATA_HEADER, _DATA_HEADER_V2 = 2, 3, 5, 8  # fields of PageHeader
_ENCODING = {_DATA_HEADER: 2, _DATA_HEADER_V2: 4}  # field of DataPageHeader and DataPageHeaderV2
_DELTA_BYTE_ARRAY = 7


class PrefixesRepeated(ValueError):
    """A column's texts are written as prefixes of one another, which expand beyond measure."""

    def __init__(self, column: str) -> None:
        super().__init__(column)
        self.column = column


class Plan(NamedTuple):
    """n_rows: as the footer says. inflated_bytes: of the largest pages that are in memory at once."""

    n_rows: int
    inflated_bytes: int


def plan(file: bytes) -> Plan:
    """What reading the file would take. Raises ValueError on what is no Parquet file, PrefixesRepeated."""
    footer = _footer(file)
    n_rows: int = _required(footer, _N_ROWS, int)
    if n_rows < 1:
        return Plan(n_rows, 0)
    pages_left, most = MAX_PAGES, 0
    for group in _required(footer, _GROUPS, list):
        together = 0
        for chunk in _required(group, _CHUNKS, list):
            largest, pages_left = _largest_page(file, _required(chunk, _ABOUT, dict), pages_left)
            together += largest
        most = max(most, together)
    return Plan(n_rows, most)


def _footer(file: bytes) -> Struct:
    if len(file) < 12 or file[:4] != _MAGIC or file[-4:] != _MAGIC:
        raise ValueError("it does not begin and end with PAR1")
    (length,) = struct.unpack("<I", file[-8:-4])
    if not 0 < length <= min(len(file) - 12, MAX_FOOTER_BYTES):
        raise ValueError(f"its footer of {length} bytes is longer than the file or {MAX_FOOTER_BYTES} bytes")
    return CompactReader(file[-8 - length : -8]).struct()


def _largest_page(file: bytes, column: Struct, pages_left: int) -> tuple[int, int]:
    start, length = _required(column, _DATA, int), _required(column, _LENGTH, int)
    dictionary = column.get(_DICTIONARY)
    if isinstance(dictionary, int) and 0 < dictionary < start:
        start = dictionary
    if not (start >= 4 and 0 <= length <= len(file) - start):
        raise ValueError("a column lies outside the file")
    largest = 0
    for header in _pages(file, start, start + length):
        pages_left -= 1
        if pages_left < 0:
            raise ValueError(f"it has over {MAX_PAGES} pages")
        largest = max(largest, header[_INFLATED])
        if _encoding(header) == _DELTA_BYTE_ARRAY:
            raise PrefixesRepeated(".".join(name.decode(errors="replace") for name in _path(column)))
    return largest, pages_left


def _pages(file: bytes, start: int, stop: int) -> Iterator[Struct]:
    while start < stop:
        reader = CompactReader(file, start)
        header = reader.struct()
        length = _required(header, _COMPRESSED, int)
        if _required(header, _INFLATED, int) < 0 or length < 0:
            raise ValueError("a page has a negative length")
        yield header
        start = reader.at + length
    if start != stop:
        raise ValueError("the pages do not end where their column does")


def _path(column: Struct) -> list[bytes]:
    return [name for name in _required(column, _PATH, list) if isinstance(name, bytes)]


def _encoding(header: Struct) -> int | None:
    for kind, field in _ENCODING.items():
        if kind in header:
            encoding: int = _required(_required(header, kind, dict), field, int)
            return encoding
    return None


def _required(fields: Any, number: int, kind: type) -> Any:
    value = fields.get(number) if isinstance(fields, dict) else None
    if type(value) is not kind:
        raise ValueError("its metadata lack what must be there")
    return value
