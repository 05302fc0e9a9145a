"""Hostile archives, manifests and signatures around a good graph: refused, with a reason, and no memory taken."""

import base64
import gzip
import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynomaly_scoring import ArtefactError, TrustedKeys, generate_signing_key, open_artefact, pack

Sign = Callable[..., bytes]
Files = Mapping[str, bytes]
AssertRefused = Callable[[bytes, str], None]
NAMES = ["manifest.json", "model.onnx", "model.sig"]
MEBI = 2**20


def zipped(files: Files | list[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    members = files.items() if isinstance(files, Mapping) else files
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")  # zipfile warns of the duplicates we want
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def renamed(files: Files, name: str) -> bytes:
    return zipped([("manifest.json", files["manifest.json"]), ("model.onnx", files["model.onnx"]), (name, b"")])


def bomb(files: Files) -> bytes:
    return zipped({**files, "model.onnx": bytes(128 * MEBI)})


def lying_bomb(files: Files) -> bytes:
    """128 MiB under headers that say 1,000 bytes."""
    archive = bytearray(bomb(files))
    for magic, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = archive.index(b"model.onnx", archive.index(magic)) - {22: 30, 24: 46}[offset]
        struct.pack_into("<L", archive, at + offset, 1000)
    return bytes(archive)


def overlapping(files: Files) -> bytes:
    """Three directory entries over one member."""
    archive = bytearray(pack(files))
    at = archive.index(b"PK\x01\x02")
    for name in NAMES:
        struct.pack_into("<L", archive, at + 42, 0)
        at += 46 + len(name)
    return bytes(archive)


def encrypted(files: Files) -> bytes:
    archive = bytearray(pack(files))
    archive[archive.index(b"PK\x01\x02") + 8] |= 1
    return bytes(archive)


def far_away(files: Files) -> bytes:
    archive = bytearray(pack(files))
    struct.pack_into("<L", archive, archive.index(b"PK\x01\x02") + 42, 2**31)
    return bytes(archive)


def endless_directory(files: Files) -> bytes:
    archive = bytearray(pack(files))
    struct.pack_into("<L", archive, len(archive) - 10, 2**32 - 1)
    return bytes(archive)


def commented(files: Files) -> bytes:
    archive = bytearray(pack(files))
    struct.pack_into("<H", archive, len(archive) - 2, 4)
    return bytes(archive) + b"note"


ARCHIVES: dict[str, tuple[Callable[[Files], bytes], str]] = {
    "nothing": (lambda _: b"", "archive-malformed"),
    "noise": (lambda _: bytes(range(256)) * 40, "archive-malformed"),
    "pickle": (lambda _: b"\x80\x04\x95" + b"\x00" * 90 + b"R.", "archive-malformed"),
    "bare-graph": (lambda files: files["model.onnx"], "archive-malformed"),
    "gzip-of-the-artefact": (lambda files: gzip.compress(pack(files)), "archive-malformed"),
    "half-of-it": (lambda files: pack(files)[: len(pack(files)) // 2], "archive-malformed"),
    "something-behind": (lambda files: pack(files) + b"x", "archive-malformed"),
    "something-before": (lambda files: b"#!/bin/sh\n" + pack(files), "archive-malformed"),
    "twice-in-a-row": (lambda files: pack(files) * 2, "archive-malformed"),
    "comment": (commented, "archive-malformed"),
    "member-beyond-the-end": (far_away, "archive-malformed"),
    "overlapping-members": (overlapping, "archive-malformed"),
    "directory-of-four-gigabytes": (endless_directory, "member-set"),
    "bomb": (bomb, "ratio-too-high"),
    "bomb-whose-header-lies": (lying_bomb, "archive-malformed"),
    "too-large": (lambda files: pack({**files, "model.onnx": bytes(9 * MEBI)}), "archive-too-large"),
    "manifest-of-five-megabytes": (
        lambda files: pack({**files, "manifest.json": b" " * 5 * MEBI}),
        "member-too-large",
    ),
    "signature-of-a-megabyte": (lambda files: pack({**files, "model.sig": b" " * MEBI}), "member-too-large"),
    "thousand-members": (lambda _: zipped([(f"{n:04}", b"") for n in range(1000)]), "member-set"),
    "fourth-member": (lambda files: zipped({**files, "setup.py": b""}), "member-set"),
    "member-twice": (lambda files: zipped([*[*files.items()][:2], ("model.onnx", b"")]), "member-duplicate"),
    "climbing-path": (lambda files: renamed(files, "../../model.sig"), "member-set"),
    "absolute-path": (lambda files: renamed(files, "/etc/model.sig"), "member-set"),
    "backslashes": (lambda files: renamed(files, "..\\model.sig"), "member-set"),
    "encrypted": (encrypted, "member-encoding"),
    "bzip2": (lambda files: zipped(files, zipfile.ZIP_BZIP2), "member-encoding"),
    "lzma": (lambda files: zipped(files, zipfile.ZIP_LZMA), "member-encoding"),
}


@pytest.mark.parametrize(("build", "reason"), ARCHIVES.values(), ids=ARCHIVES)
def test_a_hostile_archive_is_refused(
    files: Files, assert_refused: AssertRefused, build: Callable[[Files], bytes], reason: str
) -> None:
    assert_refused(build(files), reason)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"x": [value]}
    return value


def with_fields(**changed: Any) -> Callable[[bytes], bytes]:
    return lambda manifest: json.dumps(json.loads(manifest) | changed).encode()


def without(name: str) -> Callable[[bytes], bytes]:
    return lambda manifest: json.dumps({k: v for k, v in json.loads(manifest).items() if k != name}).encode()


def with_text(name: str, text: str) -> Callable[[bytes], bytes]:
    """A value as it is spelt, which json.dumps would not."""
    return lambda manifest: with_fields(**{name: "HERE"})(manifest).replace(b'"HERE"', text.encode())


COLUMN = {"name": "age", "type": "number", "accepts_missing": False, "accepts_unknown": False, "categories": []}
MANIFESTS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "manifest-malformed"),
    "no-object": (lambda _: b"[]", "manifest-malformed"),
    "utf-16": (lambda manifest: manifest.decode().encode("utf-16"), "manifest-malformed"),
    "byte-order-mark": (lambda manifest: b"\xef\xbb\xbf" + manifest, "manifest-malformed"),
    "a-hundred-thousand-brackets": (lambda _: b"[" * 100_000, "manifest-malformed"),
    "key-twice": (lambda manifest: manifest.replace(b'{"', b'{"seed":1,"', 1), "manifest-malformed"),
    "parameters-nested-deeply": (with_fields(parameters=nested(100)), "manifest-malformed"),
    "threshold-that-is-no-number": (with_text("threshold", "NaN"), "manifest-malformed"),
    "threshold-that-overflows": (with_text("threshold", "1e999"), "manifest-malformed"),
    "seed-of-five-thousand-digits": (with_text("seed", "9" * 5000), "manifest-malformed"),
    "half-a-character": (with_text("algorithm", '"\\ud800"'), "manifest-malformed"),
    "true-for-a-number": (with_fields(n_train=True), "manifest-malformed"),
    "no-threshold": (without("threshold"), "manifest-malformed"),
    "no-feature-names": (without("feature_names"), "manifest-malformed"),
    "numbers-for-names": (with_fields(feature_names=[1, 2, 3]), "manifest-malformed"),
    "schema-of-the-future": (with_fields(schema_version=2**63), "manifest-value"),
    "negative-features": (with_fields(n_features=-3), "manifest-value"),
    "billion-features": (with_fields(n_features=10**9), "manifest-value"),
    "name-of-nothing": (with_fields(feature_names=["a", "", "c"]), "manifest-value"),
    "all-are-anomalies": (with_fields(contamination=1.0), "manifest-value"),
    "trained-on-nothing": (with_fields(n_train=0), "manifest-value"),
    "trained-on-more-than-there-is": (with_fields(n_train=2**63), "manifest-value"),
    "seed-beyond-64-bits": (with_fields(seed=2**64), "manifest-value"),
    "digest-of-another-length": (with_fields(data_digest="ab"), "manifest-value"),
    "column-of-another-name": (with_fields(columns=[COLUMN] * 3), "manifest-value"),
    "column-of-no-type": (with_fields(columns=[{**COLUMN, "type": "object"}] * 3), "manifest-value"),
    "more-features-than-the-graph-has": (
        with_fields(feature_names=[str(n) for n in range(100_000)], n_features=100_000),
        "graph-failed",
    ),
}


@pytest.mark.parametrize(("change", "reason"), MANIFESTS.values(), ids=MANIFESTS)
def test_an_absurd_manifest_is_refused_even_when_signed(
    files: Files, sign: Sign, assert_refused: AssertRefused, change: Callable[[bytes], bytes], reason: str
) -> None:
    contents = {"model.onnx": files["model.onnx"], "manifest.json": change(files["manifest.json"])}
    assert_refused(pack({**contents, "model.sig": sign(contents)}), reason)


def with_signature(change: Callable[[bytes], bytes]) -> Callable[[Files], bytes]:
    return lambda files: pack({**files, "model.sig": change(files["model.sig"])})


def swapped(files: Files) -> bytes:
    return pack({**files, "model.onnx": files["manifest.json"], "manifest.json": files["model.onnx"]})


def of_nobody(bundle: bytes) -> bytes:
    document = json.loads(bundle)
    document["verificationMaterial"]["publicKey"]["hint"] = "00" * 32
    return json.dumps(document).encode()


def of_zeros(bundle: bytes) -> bytes:
    """r = s = 0, which careless verifiers accept."""
    document = json.loads(bundle)
    document["dsseEnvelope"]["signatures"] = [{"sig": base64.b64encode(b"0\x06\x02\x01\x00\x02\x01\x00").decode()}]
    return json.dumps(document).encode()


SIGNATURES: dict[str, tuple[Callable[[Files], bytes], str]] = {
    "none": (with_signature(lambda _: b""), "signature-malformed"),
    "nested-deeply": (with_signature(lambda _: b"[" * 60_000), "signature-malformed"),
    "not-text": (with_signature(lambda _: b"\xff" * 100), "signature-malformed"),
    "of-nobody": (with_signature(of_nobody), "key-unknown"),
    "of-zeros": (with_signature(of_zeros), "signature-wrong"),
    "of-swapped-files": (swapped, "digest-mismatch"),
}


@pytest.mark.parametrize(("build", "reason"), SIGNATURES.values(), ids=SIGNATURES)
def test_a_hostile_signature_is_refused(
    files: Files, assert_refused: AssertRefused, build: Callable[[Files], bytes], reason: str
) -> None:
    assert_refused(build(files), reason)


def test_an_artefact_signed_by_a_stranger_is_refused(
    files: Files, sign: Sign, assert_refused: AssertRefused, tmp_path: Path
) -> None:
    generate_signing_key(tmp_path / "key.pem", tmp_path / "key.pub")
    contents = {name: files[name] for name in ("model.onnx", "manifest.json")}
    assert_refused(pack({**contents, "model.sig": sign(contents, tmp_path / "key.pem")}), "key-unknown")


@given(name=st.sampled_from(NAMES), place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
@settings(max_examples=1000, deadline=None)
def test_no_byte_of_any_file_can_be_changed_unnoticed(
    *, files: Files, trusted: TrustedKeys, name: str, place: float, flip: int
) -> None:
    changed = bytearray(files[name])
    changed[int(place * len(changed))] ^= flip
    tampered = pack({**files, name: bytes(changed)})
    if name != "model.sig":  # a signature has spaces, and keys that nobody reads
        with pytest.raises(ArtefactError, match="not what was signed"):
            open_artefact(tampered, trusted=trusted)
        return
    try:
        artefact = open_artefact(tampered, trusted=trusted)
    except ArtefactError as refused:
        assert refused.reason  # noqa: PT017 - the other branch is as good
    else:
        assert (artefact.model, artefact.manifest.to_json()) == (files["model.onnx"], files["manifest.json"])
