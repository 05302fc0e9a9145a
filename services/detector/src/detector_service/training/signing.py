"""Signing an artefact in the OpenSSF model-signing format."""

from pathlib import Path
from tempfile import TemporaryDirectory

from pynomaly_scoring import MANIFEST_FILE, MODEL_FILE, SIGNATURE_FILE, Manifest, pack


def sign_artefact(model: bytes, manifest: Manifest, key_path: Path | str) -> bytes:
    """The signed artefact as a zip; unpacked, `model_signing verify key` accepts it.

    key_path: ECDSA P-256 private key, PEM, without a password. The bytes are deterministic but for the signature,
    which ECDSA randomises. Raises ValueError where the key is not such a key, OSError where it cannot be read.
    """
    from model_signing.signing import Config  # noqa: PLC0415 - 36 packages that only signing needs

    files = {MODEL_FILE: model, MANIFEST_FILE: manifest.to_json()}
    with TemporaryDirectory(prefix="pynomaly-signing-") as work:
        folder, signature = Path(work) / "artefact", Path(work) / SIGNATURE_FILE
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        Config().use_elliptic_key_signer(private_key=key_path).sign(folder, signature)
        return pack({**files, SIGNATURE_FILE: signature.read_bytes()})
