"""A verified artefact: nothing reaches the runtime that did not come through here."""

from dataclasses import dataclass, field

from pynomaly_scoring.archive import MANIFEST_FILE, MODEL_FILE, SIGNATURE_FILE, Limits, unpack
from pynomaly_scoring.keys import TrustedKeys
from pynomaly_scoring.manifest import Manifest
from pynomaly_scoring.signature import verify


@dataclass(frozen=True, slots=True)
class Artefact:
    """n_bytes: length of the archive. key_hint: the key that signed, 64 hex digits. content_digest: SHA-256 over the
    digests of the signed files, 64 hex digits: other content has another."""

    manifest: Manifest
    model: bytes = field(repr=False)
    key_hint: str
    n_bytes: int
    content_digest: str


def open_artefact(archive: bytes, *, trusted: TrustedKeys, limits: Limits = Limits()) -> Artefact:
    """Check an archive's sizes, form, signature and manifest, in this order, and give what it holds.

    Raises ArtefactTooLarge, ArchiveInvalid, SignatureInvalid, KeyUnknown, KeyRevoked, ManifestInvalid.
    """
    files = unpack(archive, limits)
    signature = files.pop(SIGNATURE_FILE)
    signed = verify(files, signature, trusted)
    manifest = Manifest.from_json(files[MANIFEST_FILE])
    return Artefact(manifest, files[MODEL_FILE], signed.key_hint, len(archive), signed.content_digest)
