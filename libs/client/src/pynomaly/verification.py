"""A downloaded artefact is what was registered, and is signed by somebody whom the caller trusts."""

import hashlib
from pathlib import Path
from typing import BinaryIO

from pynomaly.errors import ArtefactRefused, InvalidInput
from pynomaly.rows import import_optional

_PIECE_BYTES = 1024 * 1024


def check_digest(stream: BinaryIO, digest: str) -> None:
    """digest: SHA-256, 64 hex digits. Raises ArtefactRefused."""
    stream.seek(0)
    found = hashlib.sha256()
    while piece := stream.read(_PIECE_BYTES):
        found.update(piece)
    if found.hexdigest() != digest:
        raise ArtefactRefused(f"the bytes that came have the SHA-256 {found.hexdigest()}, the version's have {digest}")


def check_signature(stream: BinaryIO, trusted_keys: Path) -> None:
    """By a key of the PEM file or folder. Raises ArtefactRefused, InvalidInput where there is no such key file."""
    scoring = import_optional("pynomaly_scoring", extra="scoring")
    try:
        trusted = scoring.TrustedKeys.load(trusted_keys)
    except (OSError, scoring.KeyFileInvalid) as error:
        raise InvalidInput(f"trusted_keys: {str(trusted_keys)!r}: {error}") from error
    stream.seek(0)
    try:
        scoring.open_artefact(stream.read(), trusted=trusted)
    except scoring.ArtefactError as error:
        raise ArtefactRefused(f"the artefact is not to be trusted: {error}") from error
