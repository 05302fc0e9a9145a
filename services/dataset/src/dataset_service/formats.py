"""What an uploaded file is, by its first bytes before its media type."""

from pynomaly_chassis.problems import UnsupportedMediaType
from pynomaly_contracts.datasets import Compression, FileFormat
from pynomaly_contracts.media import ARROW_FILE, ARROW_STREAM, CSV, EXCEL, JSON, NDJSON, PARQUET

from dataset_service.errors import InvalidFile

HEAD_BYTES = 16
READABLE = "CSV, NDJSON, JSON, Parquet, Arrow or Excel (.xlsx), plain or as gzip or zstd"
_MAGIC: dict[bytes, FileFormat] = {
    b"PAR1": "parquet",
    b"ARROW1": "arrow",
    b"\xff\xff\xff\xff": "arrow",  # the first message of an IPC stream
    b"PK\x03\x04": "excel",
}
_COMPRESSED: dict[bytes, Compression] = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_TYPES: dict[str, FileFormat] = {
    **dict.fromkeys((PARQUET, "application/x-parquet", "application/parquet"), "parquet"),
    **dict.fromkeys((ARROW_STREAM, ARROW_FILE), "arrow"),
    **dict.fromkeys((NDJSON, "application/ndjson", "application/jsonl", "application/x-jsonlines"), "ndjson"),
    JSON: "json",
    EXCEL: "excel",
}
# What senders say of CSV, and of files that they know nothing of; Windows says Excel of .csv where it is installed.
_UNSURE = frozenset(
    {
        *("", CSV, "text/plain", "text/tab-separated-values", "application/csv"),
        *("application/octet-stream", "application/vnd.ms-excel", "application/gzip", "application/x-gzip"),
        *("application/zstd", "application/x-zstd"),
    }
)
_FOREIGN = {
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls)",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"SQLite": "a SQLite file",
}


def compression_of(head: bytes) -> Compression | None:
    """How a file that begins with `head` is compressed."""
    return next((name for magic, name in _COMPRESSED.items() if head.startswith(magic)), None)


def recognise(content_type: str, head: bytes) -> FileFormat:
    """The format of a file that begins with `head`, not compressed. Raises UnsupportedMediaType, InvalidFile."""
    foreign = next((name for magic, name in _FOREIGN.items() if head.startswith(magic)), None)
    if foreign is not None:
        raise UnsupportedMediaType(f"the file is {foreign}; send {READABLE}")
    by_magic = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
    if by_magic is not None:
        return by_magic
    if content_type in _UNSURE:
        return _by_text(head)
    if content_type not in _TYPES:
        raise UnsupportedMediaType(f"the file is {content_type}; send {READABLE}")
    said = _TYPES[content_type]
    if said in _MAGIC.values():
        raise InvalidFile.at(f"the file does not begin as {said.capitalize()} does")
    return said


def _by_text(head: bytes) -> FileFormat:
    """A header line hardly begins as JSON does: `{"` and `[{` are neither names nor quoted cells."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start.startswith(b'{"') or start == b"{":
        return "ndjson"
    return "json" if start.startswith(b"[") and start[1:].lstrip()[:1] in (b"{", b"]") else "csv"
