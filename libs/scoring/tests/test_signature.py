import base64
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import model_signing.hashing
import model_signing.verifying
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pynomaly_scoring import (
    Artefact,
    ArtefactError,
    KeyUnknown,
    Manifest,
    ManifestInvalid,
    SignatureInvalid,
    TrustedKeys,
    generate_signing_key,
    key_hint,
    open_artefact,
    pack,
)
from pynomaly_scoring.signature import verify

Sign = Callable[..., bytes]
Files = Mapping[str, bytes]


def refusal(files: Files, bundle: bytes, trusted: TrustedKeys) -> str:
    with pytest.raises(SignatureInvalid) as refused:
        verify(files, bundle, trusted)
    return refused.value.reason


@pytest.fixture
def contents(files: Files) -> dict[str, bytes]:
    return {name: files[name] for name in ("model.onnx", "manifest.json")}


def test_what_the_reference_implementation_signs_is_accepted(
    archive: bytes, trusted: TrustedKeys, manifest: Manifest, files: Files
) -> None:
    artefact = open_artefact(archive, trusted=trusted)
    assert artefact == Artefact(
        manifest=manifest,
        model=files["model.onnx"],
        key_hint=next(iter(trusted.by_hint)),
        n_bytes=len(archive),
        content_digest=artefact.content_digest,
    )


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
def test_any_changed_byte_of_a_file_is_refused(
    contents: dict[str, bytes], files: Files, trusted: TrustedKeys, name: str
) -> None:
    for index in range(len(contents[name])):
        changed = bytearray(contents[name])
        changed[index] ^= 1
        tampered = {**contents, name: bytes(changed)}
        assert refusal(tampered, files["model.sig"], trusted) == "digest-mismatch"


def test_an_added_a_removed_and_a_renamed_file_are_refused(
    contents: dict[str, bytes], files: Files, trusted: TrustedKeys
) -> None:
    bundle, model = files["model.sig"], contents["model.onnx"]
    assert refusal({**contents, "extra": b""}, bundle, trusted) == "file-set"
    assert refusal({"model.onnx": model}, bundle, trusted) == "file-set"
    assert refusal({"model2.onnx": model, "manifest.json": contents["manifest.json"]}, bundle, trusted) == "file-set"


def test_the_signature_of_another_model_is_refused(
    contents: dict[str, bytes], sign: Sign, trusted: TrustedKeys
) -> None:
    other = sign({**contents, "model.onnx": b"another"})
    assert refusal(contents, other, trusted) == "digest-mismatch"


def test_other_content_has_another_digest(contents: dict[str, bytes], sign: Sign, trusted: TrustedKeys) -> None:
    others = [{**contents, name: b"another"} for name in contents]
    digests = {verify(files, sign(files), trusted).content_digest for files in (contents, contents, *others)}
    assert len(digests) == 1 + len(others)


def test_a_key_that_is_not_trusted_is_refused(
    contents: dict[str, bytes], sign: Sign, trusted: TrustedKeys, tmp_path: Path
) -> None:
    generate_signing_key(tmp_path / "key.pem", tmp_path / "key.pub")
    with pytest.raises(KeyUnknown):
        verify(contents, sign(contents, tmp_path / "key.pem"), trusted)


def test_a_p384_signature_is_refused_even_under_a_trusted_hint(
    contents: dict[str, bytes], sign: Sign, trusted: TrustedKeys, tmp_path: Path
) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    bundle = sign(contents, tmp_path / "key.pem")
    with pytest.raises(KeyUnknown):
        verify(contents, bundle, trusted)
    (hint,) = trusted.by_hint
    forged = bundle.replace(key_hint(key.public_key()).encode(), hint.encode())
    assert refusal(contents, forged, trusted) == "signature-wrong"


def resigned(bundle: bytes, key_path: Path, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The bundle with a changed statement, signed properly by the trusted key."""
    document = json.loads(bundle)
    envelope = document["dsseEnvelope"]
    statement = json.loads(base64.b64decode(envelope["payload"]))
    change(statement)
    payload = json.dumps(statement).encode()
    kind = envelope["payloadType"]
    key = load_pem_private_key(key_path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    encoded = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    envelope["payload"] = base64.b64encode(payload).decode()
    envelope["signatures"] = [{"sig": base64.b64encode(key.sign(encoded, ec.ECDSA(SHA256()))).decode()}]
    return json.dumps(document).encode()


def set_type(statement: dict[str, Any]) -> None:
    statement["_type"] = "https://in-toto.io/Statement/v0.1"


def set_predicate(statement: dict[str, Any]) -> None:
    statement["predicateType"] = "https://model_signing/Digests/v0.1"


def set_root(statement: dict[str, Any]) -> None:
    statement["subject"][0]["digest"]["sha256"] = "00" * 32


def add_subject(statement: dict[str, Any]) -> None:
    statement["subject"] *= 2


def set_method(statement: dict[str, Any]) -> None:
    statement["predicate"]["serialization"]["method"] = "shards"


def set_algorithm(statement: dict[str, Any]) -> None:
    statement["predicate"]["resources"][0]["algorithm"] = "blake2b"


def list_twice(statement: dict[str, Any]) -> None:
    statement["predicate"]["resources"] *= 2


def shout_digest(statement: dict[str, Any]) -> None:
    statement["predicate"]["resources"][0]["digest"] = "not hex"


@pytest.mark.parametrize(
    "change",
    [set_type, set_predicate, set_root, add_subject, set_method, set_algorithm, list_twice, shout_digest],
)
def test_a_properly_signed_statement_of_another_form_is_refused(
    contents: dict[str, bytes],
    files: Files,
    keys: Path,
    trusted: TrustedKeys,
    change: Callable[[dict[str, Any]], None],
) -> None:
    bundle = resigned(files["model.sig"], keys / "secret" / "key.pem", change)
    assert refusal(contents, bundle, trusted) == "signature-malformed"


@pytest.mark.parametrize(
    "bundle",
    [b"", b"\xff\xfe", b"null", b"[]", b"{}", b"[" * 60_000, b'{"mediaType": 1, "mediaType": 2}'],
)
def test_a_garbage_bundle_is_refused(contents: dict[str, bytes], trusted: TrustedKeys, bundle: bytes) -> None:
    assert refusal(contents, bundle, trusted) == "signature-malformed"


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"v0.3+json", b"v0.2+json"), (b"vnd.in-toto+json", b"vnd.other+json12"), (b'"sig"', b'"sug"')],
)
def test_a_bundle_of_another_form_is_refused(
    contents: dict[str, bytes], files: Files, trusted: TrustedKeys, old: bytes, new: bytes
) -> None:
    assert old in files["model.sig"]
    assert refusal(contents, files["model.sig"].replace(old, new), trusted) == "signature-malformed"


@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
@settings(max_examples=1500, deadline=None)
def test_a_corrupted_archive_is_refused_or_holds_the_same_contents(
    archive: bytes, trusted: TrustedKeys, *, place: float, flip: int
) -> None:
    intact = open_artefact(archive, trusted=trusted)
    corrupted = bytearray(archive)
    corrupted[int(place * len(archive))] ^= flip
    try:
        artefact = open_artefact(bytes(corrupted), trusted=trusted)
    except ArtefactError as refused:
        assert refused.reason  # noqa: PT017 - the other branch is as good
    else:
        assert (artefact.model, artefact.manifest) == (intact.model, intact.manifest)


def test_a_manifest_out_of_range_is_refused_even_when_signed(
    contents: dict[str, bytes], sign: Sign, trusted: TrustedKeys
) -> None:
    odd = {**contents, "manifest.json": contents["manifest.json"].replace(b'"seed":0', b'"seed":-1')}
    with pytest.raises(ManifestInvalid, match="seed"):
        open_artefact(pack({**odd, "model.sig": sign(odd)}), trusted=trusted)


def test_the_reference_implementation_accepts_an_unpacked_artefact(files: Files, keys: Path, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    signature = tmp_path / "model.sig"
    hashing = model_signing.hashing.Config().set_ignored_paths(paths=[signature])  # as its command line does
    config = model_signing.verifying.Config().set_hashing_config(hashing)
    config.use_elliptic_key_verifier(public_key=keys / "public" / "key.pem").verify(tmp_path, signature)
