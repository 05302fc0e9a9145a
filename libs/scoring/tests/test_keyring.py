"""Keys are rotated and revoked in a folder; what they signed is opened, or refused, accordingly."""

import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pynomaly_scoring import (
    KeyFileInvalid,
    KeyRevoked,
    TrustedKeys,
    generate_signing_key,
    known_keys,
    open_artefact,
    pack,
    publish_key,
    revoke_key,
    rotate_signing_key,
)

Sign = Callable[..., bytes]
Archive = Callable[[], bytes]


@pytest.fixture
def private(tmp_path: Path) -> Path:
    return tmp_path / "signing.pem"


@pytest.fixture
def trusted(tmp_path: Path, private: Path) -> Path:
    folder = tmp_path / "trusted"
    generate_signing_key(private, folder / "signing.pub.pem")
    return folder


@pytest.fixture
def archive(files: Mapping[str, bytes], sign: Sign, private: Path) -> Archive:
    """An artefact that the key of this moment signed."""
    contents = {name: files[name] for name in ("model.onnx", "manifest.json")}
    return lambda: pack({**contents, "model.sig": sign(contents, private)})


def opened_by(trusted: Path, archive: bytes) -> str:
    return open_artefact(archive, trusted=TrustedKeys.load(trusted)).key_hint


def test_after_a_rotation_the_new_key_signs_and_the_old_models_stay_trusted(
    trusted: Path, private: Path, archive: Archive
) -> None:
    before = archive()
    old = opened_by(trusted, before)
    new = rotate_signing_key(private, trusted / "signing.pub.pem")
    assert (opened_by(trusted, before), opened_by(trusted, archive())) == (old, new)
    assert {key.hint: key.state for key in known_keys(trusted, private)} == {old: "trusted", new: "signs"}
    assert stat.S_IMODE(private.stat().st_mode) == 0o600


def test_a_revoked_keys_models_are_refused_and_the_others_are_not(
    trusted: Path, private: Path, archive: Archive
) -> None:
    before = archive()
    old = opened_by(trusted, before)
    new = rotate_signing_key(private, trusted / "signing.pub.pem")
    assert revoke_key(trusted, old[:16], private) == old
    with pytest.raises(KeyRevoked) as refused:
        opened_by(trusted, before)
    assert refused.value.reason == "key-revoked"
    assert opened_by(trusted, archive()) == new


def test_a_revoked_key_stays_revoked_when_its_file_comes_back_or_goes(
    trusted: Path, private: Path, archive: Archive, tmp_path: Path
) -> None:
    before, saved = archive(), private.read_bytes()
    old = opened_by(trusted, before)
    rotate_signing_key(private, trusted / "signing.pub.pem")
    revoke_key(trusted, old, private)
    (tmp_path / "saved.pem").write_bytes(saved)
    publish_key(tmp_path / "saved.pem", trusted / "again.pem")
    with pytest.raises(KeyRevoked):
        opened_by(trusted, before)
    for name in ("again.pem", f"{old[:16]}.pem"):
        (trusted / name).unlink()
    with pytest.raises(KeyRevoked):
        opened_by(trusted, before)
    assert [key.files for key in known_keys(trusted) if key.state == "revoked"] == [()]


def test_revoking_twice_is_revoking_once_and_keeps_the_comments(trusted: Path, private: Path, archive: Archive) -> None:
    old = opened_by(trusted, archive())
    rotate_signing_key(private, trusted / "signing.pub.pem")
    (trusted / "revoked").write_text(f"{'0' * 64}  # the laptop that was lost")
    for _ in range(2):
        revoke_key(trusted, old, private)
    assert (trusted / "revoked").read_text().splitlines() == [f"{'0' * 64}  # the laptop that was lost", old]


def test_the_key_that_signs_cannot_be_revoked(trusted: Path, private: Path, archive: Archive) -> None:
    with pytest.raises(KeyFileInvalid, match="rotate first"):
        revoke_key(trusted, opened_by(trusted, archive()), private)


@pytest.mark.parametrize("beginning", ["", "nobody", "0"], ids=["nothing", "no-hint", "two-keys"])
def test_what_names_no_key_or_two_revokes_none(trusted: Path, beginning: str) -> None:
    (trusted / "revoked").write_text(f"{'0' * 64}\n{'0' * 63}1\n")
    with pytest.raises(KeyFileInvalid, match="begin with"):
        revoke_key(trusted, beginning)


@pytest.mark.parametrize("listed", [b"all of them", b"AB" * 32, b"\xff\xfe"], ids=["words", "capitals", "bytes"])
def test_a_list_that_cannot_be_read_trusts_nobody(trusted: Path, listed: bytes) -> None:
    (trusted / "revoked").write_bytes(listed)
    with pytest.raises(KeyFileInvalid, match="revoked"):
        TrustedKeys.load(trusted)


def test_a_rotation_that_dies_before_the_private_key_is_replaced_leaves_all_trusted(
    trusted: Path, private: Path, archive: Archive
) -> None:
    saved, before = private.read_bytes(), archive()
    rotate_signing_key(private, trusted / "signing.pub.pem")
    private.write_bytes(saved)  # its last step is undone
    assert opened_by(trusted, before) == opened_by(trusted, archive())
