"""The artefact as bytes: a zip of exactly three files, written one way and read with suspicion."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from pynomaly_scoring.errors import ArchiveInvalid, ArtefactTooLarge

MODEL_FILE = "model.onnx"
MANIFEST_FILE = "manifest.json"
SIGNATURE_FILE = "model.sig"
MEMBERS = frozenset({MODEL_FILE, MANIFEST_FILE, SIGNATURE_FILE})

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can carry
_READ_WRITE = 0o100644
_UNIX = 3
_ENCRYPTED = 0x1 | 0x40 | 0x2000  # plain, strong, masked headers
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_END = struct.Struct("<4s4H2LH")  # end of central directory, APPNOTE.TXT 4.3.16
_ZIP64_LOCATOR = struct.Struct("<4sLQL")
_LOCAL = struct.Struct("<4s5H3L2H")  # local file header, 4.3.7
_MAX_DIRECTORY_BYTES = 4096  # three entries need about 180; zipfile builds an object for each one it finds
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, ValueError, OverflowError, EOFError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Caps on what is read. Sizes in bytes, inflated except for archive_bytes; ratio is inflated / deflated."""

    archive_bytes: int = 256 * 2**20
    total_bytes: int = 512 * 2**20
    model_bytes: int = 512 * 2**20
    manifest_bytes: int = 4 * 2**20
    signature_bytes: int = 64 * 2**10
    ratio: int = 200

    def of(self, member: str) -> int:
        """The cap of one member, in bytes."""
        sizes = {
            MODEL_FILE: self.model_bytes,
            MANIFEST_FILE: self.manifest_bytes,
            SIGNATURE_FILE: self.signature_bytes,
        }
        return sizes[member]


def pack(files: Mapping[str, bytes]) -> bytes:
    """The zip of exactly our three files: the same files give the same bytes, on any machine and in any order.

    Members are stored, not deflated: deflate's output differs between builds of zlib.
    Raises ArchiveInvalid when a file is missing or is not ours.
    """
    _check_names(list(files))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system, info.external_attr = _UNIX, _READ_WRITE << 16
            archive.writestr(info, files[name])
    return buffer.getvalue()


def unpack(archive: bytes, limits: Limits) -> dict[str, bytes]:
    """The three files of the archive, by name. Nothing is inflated beyond the caps, whatever the headers claim.

    The checksum of a stored member is not looked at: it would cost as much as half the signature's SHA-256, which
    covers the same bytes. Raises ArtefactTooLarge, ArchiveInvalid.
    """
    if len(archive) > limits.archive_bytes:
        raise ArtefactTooLarge("archive-too-large", f"the archive has {len(archive)} bytes")
    _check_directory(archive)
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as members:
            _check_headers(members.infolist(), limits)
            return {info.filename: _read(archive, members, info) for info in members.infolist()}
    except _ZIP_ERRORS as error:
        raise ArchiveInvalid("archive-malformed", f"the archive cannot be read: {error}") from error


def _check_directory(archive: bytes) -> None:
    start = len(archive) - _END.size
    if start < 0:
        raise ArchiveInvalid("archive-malformed", "the archive is too short to be a zip")
    magic, _, _, _, n_entries, directory_bytes, _, n_comment = _END.unpack_from(archive, start)
    zip64 = archive[max(start - _ZIP64_LOCATOR.size, 0) :].startswith(b"PK\x06\x07")
    if magic != b"PK\x05\x06" or n_comment or zip64:
        raise ArchiveInvalid("archive-malformed", "the archive does not end as a plain zip does")
    if n_entries != len(MEMBERS) or directory_bytes > _MAX_DIRECTORY_BYTES:
        raise ArchiveInvalid("member-set", f"the archive must hold three files, not {n_entries}")


def _check_names(names: list[str]) -> None:
    if len(set(names)) != len(names):
        raise ArchiveInvalid("member-duplicate", "the archive holds a file twice")
    if set(names) != MEMBERS:
        odd = ", ".join(sorted(set(names) ^ MEMBERS))
        raise ArchiveInvalid("member-set", f"the archive must hold exactly our three files; missing or odd: {odd}")


def _check_headers(infos: list[zipfile.ZipInfo], limits: Limits) -> None:
    _check_names([info.orig_filename for info in infos])  # before zipfile cuts at NUL
    for info in infos:
        if info.flag_bits & _ENCRYPTED or info.compress_type not in _METHODS:
            raise ArchiveInvalid("member-encoding", f"{info.filename} is encrypted or oddly compressed")
        if info.file_size > limits.of(info.filename):
            raise ArtefactTooLarge("member-too-large", f"{info.filename} has {info.file_size} bytes")
        if info.file_size > limits.ratio * max(info.compress_size, 1):
            raise ArtefactTooLarge("ratio-too-high", f"{info.filename} inflates more than {limits.ratio} times")
    if sum(info.file_size for info in infos) > limits.total_bytes:
        raise ArtefactTooLarge("total-too-large", "the files are too large together")
    if min(info.header_offset for info in infos):
        raise ArchiveInvalid("archive-malformed", "something stands before the archive's first file")


def _read(archive: bytes, members: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    content = _inflated(members, info) if info.compress_type else _stored(archive, info)
    if len(content) != info.file_size or not (info.compress_type or info.compress_size == info.file_size):
        raise ArchiveInvalid("member-size", f"{info.filename} is not as long as its header says")
    return content


def _inflated(members: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    # A bounded read inflates no more than it returns; read() would inflate all there is before cutting.
    with members.open(info) as member:
        return member.read(info.file_size + 1)


def _stored(archive: bytes, info: zipfile.ZipInfo) -> bytes:
    at = info.header_offset
    magic, _, _, method, _, _, _, _, _, n_name, n_extra = _LOCAL.unpack_from(archive, at)
    start = at + _LOCAL.size + n_name
    if (magic, method, archive[at + _LOCAL.size : start]) != (b"PK\x03\x04", 0, info.orig_filename.encode()):
        raise ArchiveInvalid("archive-malformed", f"the two headers of {info.filename} differ")
    return archive[start + n_extra : start + n_extra + info.file_size]
