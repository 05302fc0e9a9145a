import io
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynomaly_scoring import ArchiveInvalid, ArtefactError, ArtefactTooLarge, Limits, pack
from pynomaly_scoring.archive import unpack

NAMES = ["manifest.json", "model.onnx", "model.sig"]
FILES = {name: name.encode() * 10 for name in NAMES}


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")  # zipfile warns of the duplicates we want
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def reason(archive: bytes, limits: Limits = Limits()) -> str:
    with pytest.raises(ArtefactError) as refused:
        unpack(archive, limits)
    assert isinstance(refused.value, ArchiveInvalid | ArtefactTooLarge)
    return refused.value.reason


@given(contents=st.tuples(*[st.binary(max_size=200)] * 3), order=st.permutations(NAMES))
def test_packing_is_deterministic_in_any_order_and_loses_nothing(contents: tuple[bytes, ...], order: list[str]) -> None:
    files = dict(zip(NAMES, contents, strict=True))
    assert pack({name: files[name] for name in order}) == pack(files)
    assert unpack(pack(files), Limits()) == files


def test_an_archive_made_by_another_zip_program_is_read() -> None:
    assert unpack(zipped(*FILES.items()), Limits()) == FILES


def test_packing_other_files_than_ours_is_refused() -> None:
    with pytest.raises(ArchiveInvalid):
        pack({**FILES, "notes.txt": b""})
    with pytest.raises(ArchiveInvalid):
        pack({"model.onnx": b""})


@pytest.mark.parametrize("odd", ["../model.sig", "/model.sig", "a/model.sig", "MODEL.SIG", "model.sig/"])
def test_a_member_under_any_other_name_is_refused(odd: str) -> None:
    assert reason(zipped(("manifest.json", b""), ("model.onnx", b""), (odd, b""))) == "member-set"


def test_a_name_that_is_ours_up_to_a_nul_is_refused() -> None:
    archive = zipped(("manifest.json", b""), ("model.onnx", b""), ("model.sigXx", b""))
    assert reason(archive.replace(b"sigX", b"sig\0")) == "member-set"


def test_a_fourth_a_missing_and_a_duplicate_member_are_refused() -> None:
    assert reason(zipped(*FILES.items(), ("notes.txt", b""))) == "member-set"
    assert reason(zipped(*list(FILES.items())[:2])) == "member-set"
    assert reason(zipped(("model.onnx", b"a"), ("model.onnx", b"b"), ("model.sig", b""))) == "member-duplicate"


def test_an_encrypted_member_and_an_odd_method_are_refused() -> None:
    archive = bytearray(zipped(*FILES.items()))
    archive[archive.rindex(b"PK\x01\x02") + 8] |= 1
    assert reason(bytes(archive)) == "member-encoding"
    assert reason(zipped(*FILES.items(), method=zipfile.ZIP_LZMA)) == "member-encoding"


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(archive_bytes=100), "archive-too-large"),
        (Limits(model_bytes=99), "member-too-large"),
        (Limits(manifest_bytes=99), "member-too-large"),
        (Limits(signature_bytes=89), "member-too-large"),
        (Limits(total_bytes=300), "total-too-large"),
        (Limits(ratio=2), "ratio-too-high"),
    ],
)
def test_each_cap_is_checked(limits: Limits, expected: str) -> None:
    assert reason(zipped(*FILES.items()), limits) == expected


def lying_bomb(claimed_bytes: int, claimed_crc: int) -> bytes:
    """64 MiB of zeros under headers that claim less."""
    archive = zipped(("manifest.json", b""), ("model.sig", b""), ("model.onnx", bytes(64 * 2**20)))
    lie = bytearray(archive)
    for magic, offset in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        at = archive.rindex(magic) + offset
        struct.pack_into("<L", lie, at, claimed_crc)
        struct.pack_into("<L", lie, at + 8, claimed_bytes)
    return bytes(lie)


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_a_bomb_whose_header_lies_is_refused_without_inflating_it(traced: None) -> None:
    archive = lying_bomb(1000, claimed_crc=0)
    tracemalloc.reset_peak()
    before_bytes, _ = tracemalloc.get_traced_memory()
    assert reason(archive) == "archive-malformed"
    _, peak_bytes = tracemalloc.get_traced_memory()
    assert peak_bytes - before_bytes < 2**20


def test_a_bomb_whose_header_lies_with_a_fitting_checksum_is_cut_where_the_header_says(traced: None) -> None:
    archive = lying_bomb(1000, claimed_crc=zlib.crc32(bytes(1000)))
    tracemalloc.reset_peak()
    before_bytes, _ = tracemalloc.get_traced_memory()
    assert unpack(archive, Limits())["model.onnx"] == bytes(1000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    assert peak_bytes - before_bytes < 2**20


def test_a_bomb_whose_header_tells_the_truth_is_refused_by_its_ratio() -> None:
    assert reason(lying_bomb(64 * 2**20, 0)) == "ratio-too-high"


def test_a_member_shorter_than_its_header_says_is_refused() -> None:
    archive = zipped(*FILES.items(), method=zipfile.ZIP_STORED)
    longer = archive.replace(struct.pack("<LL", 100, 100), struct.pack("<LL", 100, 101))
    assert reason(longer) == "member-size"


def test_a_directory_that_would_exhaust_memory_is_refused_before_it_is_parsed() -> None:
    many = bytearray(zipped(*((f"{n:032}", b"") for n in range(200))))
    struct.pack_into("<HH", many, len(many) - 14, 3, 3)  # claims three
    assert reason(bytes(many)) == "member-set"


@pytest.mark.parametrize("archive", [b"", b"PK", b"x" * 100, zipped(*FILES.items()) + b"tail"])
def test_what_is_no_zip_is_refused(archive: bytes) -> None:
    assert reason(archive) == "archive-malformed"


@given(archive=st.binary(max_size=100).map(lambda junk: junk + pack(FILES)[-22:]))
def test_junk_before_a_valid_end_is_refused_without_another_error(archive: bytes) -> None:
    assert reason(archive) == "archive-malformed"


def test_headers_that_disagree_about_a_stored_member_are_refused() -> None:
    archive = pack(FILES)
    at = archive.index(b"model.onnx")
    assert reason(archive[:at] + b"model.ohno" + archive[at + 10 :]) == "archive-malformed"
