"""Keys over time: which are trusted, which one signs, how one follows another and how one is taken back."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from pynomaly_scoring.errors import KeyFileInvalid
from pynomaly_scoring.keys import (
    REVOKED_FILE,
    TrustedKeys,
    key_hint,
    private_pem,
    public_half,
    read_revoked,
    write_public,
    written,
)

KeyState = Literal["signs", "trusted", "revoked"]


@dataclass(frozen=True, slots=True)
class KnownKey:
    """hint: 64 hex digits. files: those of the folder that hold it; none for a revoked key that was removed."""

    hint: str
    state: KeyState
    files: tuple[str, ...]


def known_keys(trusted: Path, signing_key: Path | None = None) -> list[KnownKey]:
    """The keys of a folder, by hint; with `signing_key`, a private key, which of them signs.

    Raises KeyFileInvalid, OSError.
    """
    files: defaultdict[str, list[str]] = defaultdict(list)
    for file in sorted(trusted.glob("*.pem")):
        for hint in TrustedKeys.load(file).by_hint:
            files[hint].append(file.name)
    revoked = read_revoked(trusted / REVOKED_FILE)
    signs = None if signing_key is None else key_hint(public_half(signing_key))
    return [KnownKey(hint, _state(hint, revoked, signs), tuple(files[hint])) for hint in sorted({*files, *revoked})]


def rotate_signing_key(private_path: Path | str, public_path: Path | str) -> str:
    """Sign with a new key from now on, whose hint is returned. Models that the old one signed stay trusted.

    The old public key stays beside the new one, under its hint; the old private key is gone. At every moment what is
    signed is trusted, also where this dies in between. One caller at a time. Raises KeyFileInvalid, OSError.
    """
    private_path, public_path = Path(private_path), Path(public_path)
    old, new = public_half(private_path), generate_private_key(SECP256R1())
    write_public(old, public_path.parent / f"{key_hint(old)[:16]}.pem")
    write_public(new.public_key(), public_path)
    with written(private_pem(new), private_path.parent) as finished:
        finished.replace(private_path)
    return key_hint(new.public_key())


def revoke_key(trusted: Path, beginning: str, signing_key: Path | None = None) -> str:
    """Trust a key no longer; its hint is returned. Models that it signed are refused at their next load.

    beginning: of the hint, as long as it fits one key. signing_key: the private key that signs, which must not be
    revoked before another one does. Raises KeyFileInvalid, OSError.
    """
    found = [key for key in known_keys(trusted, signing_key) if beginning and key.hint.startswith(beginning)]
    if len(found) != 1:
        raise KeyFileInvalid(f"{len(found)} keys in {trusted} begin with {beginning!r}")
    (key,) = found
    if key.state == "signs":
        raise KeyFileInvalid(f"the key {key.hint[:16]} signs new models: rotate first, then revoke it")
    if key.state != "revoked":
        file = trusted / REVOKED_FILE
        before = file.read_bytes() if file.exists() else b""
        with written(before + b"\n" * (not before.endswith(b"\n")) + key.hint.encode() + b"\n", trusted) as finished:
            finished.chmod(0o644)
            finished.replace(file)
    return key.hint


def _state(hint: str, revoked: frozenset[str], signs: str | None) -> KeyState:
    if hint in revoked:
        return "revoked"
    return "signs" if hint == signs else "trusted"
