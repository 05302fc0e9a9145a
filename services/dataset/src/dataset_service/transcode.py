"""Text files of other encodings, made UTF-8."""

import codecs
from pathlib import Path

from pynomaly_chassis.problems import Invalid
from pynomaly_chassis.storage import room_needed

from dataset_service.errors import InvalidFile

UTF8 = "utf-8"
_PIECE_BYTES = 1024 * 1024
# Of host names and of programs' source; punycode also takes the square of a piece's length.
_NO_FILE_HAS = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})
_MARKS = {  # the longer first: the mark of UTF-16 begins that of UTF-32
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def encoding_of(head: bytes, wanted: str | None) -> str:
    """A text file's encoding: what was said, or what its byte order mark says, else UTF-8. Raises Invalid."""
    if wanted is None:
        return next((name for mark, name in _MARKS.items() if head.startswith(mark)), UTF8)
    try:
        found = codecs.lookup(wanted)
    except LookupError as error:
        message = "is no encoding known here; say utf-8, utf-16, cp1252, latin-1, shift_jis, ..."
        raise Invalid.field("body.encoding", wanted, message) from error
    if found.name in _NO_FILE_HAS or not found._is_text_encoding:  # noqa: SLF001 - as bytes.decode asks: zip and rot13 are codecs, too
        raise Invalid.field("body.encoding", wanted, "is no encoding of text")
    return UTF8 if found.name in (UTF8, "utf-8-sig", "ascii") else found.name


def transcode(source: Path, target: Path, encoding: str) -> None:
    """Write the text of `source` to `target` in UTF-8. Raises InvalidFile, StorageFull."""
    decoder = codecs.getincrementaldecoder(encoding)()
    n_bytes = 0
    with room_needed(), source.open("rb") as file, target.open("wb") as utf8:
        while True:
            piece = file.read(_PIECE_BYTES)
            try:
                text = decoder.decode(piece, final=not piece)
            except UnicodeError as error:
                message = f"the file is not {encoding}: {error}"
                raise InvalidFile.at(message, byte_offset=n_bytes + getattr(error, "start", 0)) from error
            utf8.write(text.encode("utf-8", "strict"))
            n_bytes += len(piece)
            if not piece:
                return
