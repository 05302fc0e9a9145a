"""Verification of the OpenSSF model-signing format, v1.0, with an ECDSA P-256 key.

A Sigstore bundle v0.3 (JSON) carries a DSSE envelope, which carries an in-toto Statement v1, which lists every
file with its SHA-256. Formats: sigstore/protobuf-specs, secure-systems-lab/dsse v1.0.0, in-toto/attestation v1,
sigstore/model-transparency. Only what its `sign key` writes is accepted: no certificates, no older formats.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256

from pynomaly_scoring.errors import KeyRevoked, KeyUnknown, SignatureInvalid
from pynomaly_scoring.keys import TrustedKeys
from pynomaly_scoring.strict_json import parse, take

_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"


class Signed(NamedTuple):
    """key_hint: whose key. content_digest: SHA-256 over the names and digests of the files, 64 hex digits."""

    key_hint: str
    content_digest: str


def verify(files: Mapping[str, bytes], bundle: bytes, trusted: TrustedKeys) -> Signed:
    """Check that `bundle` vouches for exactly these files.

    files: content by name, without the signature itself. Raises SignatureInvalid, KeyUnknown, KeyRevoked.
    """
    try:
        hint, payload, signature = _open_bundle(parse(bundle))
        _check_signature(hint, payload, signature, trusted)
        signed = _signed_digests(parse(payload))
    except ValueError as error:
        raise SignatureInvalid("signature-malformed", f"the signature cannot be read: {error}") from error
    if set(signed) != set(files):
        odd = ", ".join(sorted(set(signed) ^ set(files)))
        raise SignatureInvalid("file-set", f"signed and present files differ: {odd}")
    for name, content in files.items():
        if hashlib.sha256(content).digest() != signed[name]:
            raise SignatureInvalid("digest-mismatch", f"{name} is not what was signed")
    content = b"".join(name.encode() + b"\0" + signed[name] for name in sorted(signed))
    return Signed(hint, hashlib.sha256(content).hexdigest())


def _open_bundle(bundle: object) -> tuple[str, bytes, bytes]:
    material = take(bundle, "verificationMaterial", dict)
    envelope = take(bundle, "dsseEnvelope", dict)
    _expect("mediaType", take(bundle, "mediaType", str), _BUNDLE)
    _expect("payloadType", take(envelope, "payloadType", str), _PAYLOAD)
    (signature,) = take(envelope, "signatures", list)
    hint = take(take(material, "publicKey", dict), "hint", str)
    return hint, _base64(take(envelope, "payload", str)), _base64(take(signature, "sig", str))


def _check_signature(hint: str, payload: bytes, signature: bytes, trusted: TrustedKeys) -> None:
    if hint in trusted.revoked:
        raise KeyRevoked("key-revoked", f"the key {hint[:16]} that signed it is revoked")
    key = trusted.by_hint.get(hint)
    if key is None:
        raise KeyUnknown("key-unknown", f"no trusted key has the hint {hint[:64]!r}")
    try:
        key.verify(signature, _pre_authentication_encoding(payload), ECDSA(SHA256()))
    except InvalidSignature as error:
        raise SignatureInvalid("signature-wrong", "the signature was not made by the key it names") from error


def _pre_authentication_encoding(payload: bytes) -> bytes:
    """PAE of the DSSE protocol v1.0.0."""
    return f"DSSEv1 {len(_PAYLOAD)} {_PAYLOAD} {len(payload)} ".encode() + payload


def _signed_digests(statement: object) -> dict[str, bytes]:
    _expect("_type", take(statement, "_type", str), _STATEMENT)
    _expect("predicateType", take(statement, "predicateType", str), _PREDICATE)
    (subject,) = take(statement, "subject", list)
    predicate = take(statement, "predicate", dict)
    _expect("method", take(take(predicate, "serialization", dict), "method", str), "files")
    resources = take(predicate, "resources", list)
    signed = dict(map(_resource, resources))
    if len(signed) != len(resources):
        raise ValueError("a file is listed twice")
    root = hashlib.sha256(b"".join(signed.values())).hexdigest()
    _expect("root digest", take(take(subject, "digest", dict), "sha256", str), root)
    return signed


def _resource(resource: object) -> tuple[str, bytes]:
    _expect("algorithm", take(resource, "algorithm", str), "sha256")
    return take(resource, "name", str), bytes.fromhex(take(resource, "digest", str))


def _base64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _expect(what: str, value: str, expected: str) -> None:
    if value != expected:
        raise ValueError(f"{what} is {value[:80]!r}, not {expected!r}")
