"""Signing keys: ECDSA P-256 in PEM, known by a hint, the SHA-256 of the public key's PEM."""

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from pynomaly_scoring.errors import KeyFileInvalid

REVOKED_FILE = "revoked"
"""Beside the *.pem of a folder: hints of keys that are not trusted whatever the folder holds; `#` begins a comment."""

_HINT = re.compile(r"[0-9a-f]{64}")
_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TrustedKeys:
    """The public keys whose signatures are accepted here, by hint (64 hex digits).

    revoked: hints of keys that are refused, whether or not they are in `by_hint`.
    """

    by_hint: Mapping[str, EllipticCurvePublicKey]
    revoked: frozenset[str] = frozenset()

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Every public key in a PEM file, or in the *.pem files of a folder with its file `revoked`.

        Raises KeyFileInvalid, OSError.
        """
        path = Path(path)
        files = sorted(path.glob("*.pem")) if path.is_dir() else [path]
        if not files:
            raise KeyFileInvalid(f"{path} holds no *.pem file")
        found = {hint: key for file in files for hint, key in cls._load_file(file)}
        return cls(found, read_revoked(path / REVOKED_FILE) if path.is_dir() else frozenset())

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Every public key in `pem`, which must hold at least one. Raises KeyFileInvalid."""
        blocks = _BLOCK.findall(pem)
        if not blocks:
            raise KeyFileInvalid("there is no PEM public key")
        keys = [_load_public(block) for block in blocks]
        return cls({key_hint(key): key for key in keys})

    @classmethod
    def _load_file(cls, file: Path) -> Iterator[tuple[str, EllipticCurvePublicKey]]:
        try:
            yield from cls.from_pem(file.read_bytes()).by_hint.items()
        except KeyFileInvalid as error:
            raise KeyFileInvalid(f"{file}: {error}") from error


def read_revoked(file: Path) -> frozenset[str]:
    """The hints in a list of revoked keys; none where there is no list. Raises KeyFileInvalid, OSError."""
    try:
        lines = [line.partition("#")[0].strip() for line in file.read_text().splitlines()]
    except FileNotFoundError:
        return frozenset()
    except UnicodeDecodeError as error:
        raise KeyFileInvalid(f"{file} is not text") from error
    hints = frozenset(filter(None, lines))
    if odd := [hint for hint in hints if _HINT.fullmatch(hint) is None]:
        raise KeyFileInvalid(f"{file}: {odd[0][:80]!r} is not a key's hint, 64 hex digits")
    return hints


def key_hint(key: EllipticCurvePublicKey) -> str:
    """SHA-256 of the key's PEM (SubjectPublicKeyInfo), as model-signing writes it; 64 hex digits."""
    return hashlib.sha256(_public_pem(key)).hexdigest()


def generate_signing_key(private_path: Path | str, public_path: Path | str) -> None:
    """Make an ECDSA P-256 key pair: the private key (PKCS 8, mode 0600) whole or not at all.

    Raises FileExistsError when there is a private key already; of several callers one succeeds.
    """
    key = generate_private_key(SECP256R1())
    private_path = Path(private_path)
    private_path.parent.mkdir(parents=True, exist_ok=True)
    with written(private_pem(key), private_path.parent) as finished:
        os.link(finished, private_path)  # unlike rename, never replaces
    publish_key(private_path, public_path)


def ensure_signing_key(private_path: Path | str, public_path: Path | str) -> None:
    """Make the pair where there is none; mend a first start that died between its two files.

    Raises KeyFileInvalid, OSError.
    """
    with contextlib.suppress(FileExistsError):
        if not Path(private_path).exists():
            generate_signing_key(private_path, public_path)
            return
    publish_key(private_path, public_path)


def publish_key(private_path: Path | str, public_path: Path | str) -> None:
    """Write the public half of a signing key, whole. Repeatable: mends a start that died between the two files.

    Raises KeyFileInvalid when the private key is not an unencrypted P-256 key, OSError.
    """
    write_public(public_half(private_path), Path(public_path))


def public_half(private_path: Path | str) -> EllipticCurvePublicKey:
    """Of a signing key. Raises KeyFileInvalid when it is not an unencrypted P-256 key, OSError."""
    try:
        key = load_pem_private_key(Path(private_path).read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyFileInvalid(f"{private_path} is not an unencrypted PEM private key") from error
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise KeyFileInvalid(f"{private_path} is not an ECDSA P-256 key")
    return key.public_key()


def write_public(key: EllipticCurvePublicKey, path: Path) -> None:
    """Write a public key for all to read, whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written(_public_pem(key), path.parent) as finished:
        finished.chmod(0o644)
        finished.replace(path)


def _load_public(pem: bytes) -> EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileInvalid("the PEM public key is malformed") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise KeyFileInvalid("the public key is not ECDSA P-256")
    return key


def private_pem(key: EllipticCurvePrivateKey) -> bytes:
    """PKCS 8, without a password."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public_pem(key: EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@contextlib.contextmanager
def written(content: bytes, folder: Path) -> Iterator[Path]:
    """A new 0600 file in `folder` with the content on disk; what is left of it afterwards is removed."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".key-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
