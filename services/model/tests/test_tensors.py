"""The tensors of the Open Inference Protocol: what is written is read again, and nothing else is."""

import json
import struct
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies
from model_service.open_inference.tensors import (
    DATATYPES,
    DTYPES,
    Tensor,
    TensorInvalid,
    from_binary,
    from_json,
    from_list,
    to_binary,
)

SHAPES = numpy_strategies.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=5)
NUMERIC = st.sampled_from(sorted(DTYPES))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


def as_bytes(texts: list[str]) -> bytes:
    encoded = [text.encode() for text in texts]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)


@st.composite
def numeric_tensors(draw: st.DrawFn, *, nan: bool) -> tuple[str, np.ndarray[Any, Any]]:
    datatype = draw(NUMERIC)
    dtype = DTYPES[datatype]
    finite = {"allow_nan": nan, "allow_infinity": nan} if dtype.kind == "f" else {}
    elements = numpy_strategies.from_dtype(dtype, **finite)
    return datatype, draw(numpy_strategies.arrays(dtype, SHAPES, elements=elements))


@given(numeric_tensors(nan=True))
def test_binary_numbers_come_back_as_they_were(tensor: tuple[str, np.ndarray[Any, Any]]) -> None:
    datatype, array = tensor
    back = from_binary(to_binary(array), datatype, array.shape)
    assert back.dtype == DTYPES[datatype]
    assert back.tobytes() == array.tobytes()


@given(numeric_tensors(nan=False), st.booleans())
def test_numbers_in_json_come_back_exactly(tensor: tuple[str, np.ndarray[Any, Any]], nested: bool) -> None:
    datatype, array = tensor
    written = msgspec.Raw(json.dumps(array.tolist() if nested and array.size else array.ravel().tolist()).encode())
    back = from_json(written, datatype, array.shape)
    assert back.dtype == DTYPES[datatype]
    assert np.array_equal(back, array.ravel())


@given(st.lists(TEXTS, max_size=6))
def test_texts_come_back_from_json_and_binary(texts: list[str]) -> None:
    shape = (len(texts),)
    assert from_json(msgspec.Raw(json.dumps(texts).encode()), "BYTES", shape).tolist() == texts
    assert from_binary(memoryview(as_bytes(texts)), "BYTES", shape).tolist() == texts


@given(st.binary(max_size=40), st.sampled_from(DATATYPES), st.integers(0, 12))
def test_any_bytes_are_a_tensor_of_that_shape_or_refused(content: bytes, datatype: str, n_elements: int) -> None:
    try:
        found = from_binary(memoryview(content), datatype, (n_elements,))
    except TensorInvalid:
        return
    assert len(found) == n_elements


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | TEXTS, st.lists), st.sampled_from(DATATYPES)
)
def test_any_json_is_a_tensor_of_that_shape_or_refused(value: Any, datatype: str) -> None:
    try:
        found = from_json(msgspec.Raw(json.dumps(value).encode()), datatype, (2,))
    except TensorInvalid:
        return
    assert len(found) == 2


def test_binary_numbers_are_not_copied() -> None:
    content = memoryview(bytes(80))
    found = from_binary(content, "FP64", (2, 5))
    assert np.shares_memory(found, np.frombuffer(content, np.uint8))


def test_whole_numbers_beyond_53_bits_keep_every_digit() -> None:
    assert from_json(msgspec.Raw(b"[9007199254740993]"), "INT64", (1,)).tolist() == [9007199254740993]
    assert from_json(msgspec.Raw(b"[18446744073709551615]"), "UINT64", (1,)).tolist() == [18446744073709551615]


def test_fp32_is_rounded_to_the_nearest() -> None:
    assert from_json(msgspec.Raw(b"[0.1]"), "FP32", (1,)).tolist() == [float(np.float32(0.1))]


def test_a_null_among_floating_point_numbers_is_nan() -> None:
    assert np.isnan(from_json(msgspec.Raw(b"[null, 1]"), "FP64", (2,))).tolist() == [True, False]


@pytest.mark.parametrize(
    ("data", "datatype", "shape", "why"),
    [
        ("[1]", "FP64", (2,), "1 were sent"),
        ("[1, 2, 3]", "FP64", (2,), "3 were sent"),
        ("[]", "FP64", (2**63, 2**63), "0 were sent"),
        ("[[1, 2], [3]]", "FP64", (2, 2), "not nested"),
        ("[[1], [2]]", "FP64", (1, 2), "not nested"),
        ("[[1]]", "FP64", (1,), "not nested"),
        ("[[[1]]]", "FP64", (1, 1), "no FP64"),
        ('["1"]', "FP64", (1,), "no FP64"),
        ("[true]", "FP64", (1,), "no FP64"),
        ("[1e400]", "FP64", (1,), "no FP64"),
        ("[1e39]", "FP32", (1,), "does not fit"),
        ("[1.5]", "INT32", (1,), "no INT32"),
        ("[null]", "INT32", (1,), "no INT32"),
        ("[128]", "INT8", (1,), "does not fit"),
        ("[-1]", "UINT8", (1,), "does not fit"),
        ("[9223372036854775808]", "INT64", (1,), "does not fit"),
        ("[" + "9" * 5000 + "]", "INT64", (1,), "no INT64"),
        ("[1]", "BOOL", (1,), "no BOOL"),
        ("[1]", "BYTES", (1,), "no BYTES"),
        ("{}", "FP64", (1,), "no FP64"),
        ("7", "FP64", (1,), "no FP64"),
    ],
)
def test_json_that_is_no_such_tensor_is_refused(data: str, datatype: str, shape: tuple[int, ...], why: str) -> None:
    with pytest.raises(TensorInvalid, match=why):
        from_json(msgspec.Raw(data.encode()), datatype, shape)


@pytest.mark.parametrize(
    ("content", "datatype", "shape", "why"),
    [
        (bytes(7), "FP64", (1,), "takes 8 bytes, and 7"),
        (bytes(16), "FP64", (1,), "takes 8 bytes, and 16"),
        (b"", "FP64", (2**63, 2**63), "and 0 were sent"),
        (b"\x02", "BOOL", (1,), "byte 0 or 1"),
        (b"\x01\x00\x00", "BYTES", (1,), "more than the 3 bytes"),
        (b"\x02\x00\x00\x00a", "BYTES", (1,), "longer than"),
        (b"\xff\xff\xff\xffa", "BYTES", (1,), "longer than"),
        (b"\x00\x00\x00\x00a", "BYTES", (1,), "1 bytes follow"),
        (b"\x01\x00\x00\x00\xff", "BYTES", (1,), "no UTF-8"),
        (b"\x04\x00\x00\x00abcd", "BYTES", (2,), "longer than"),
        (b"", "BYTES", (2**62,), "more than the 0 bytes"),
    ],
)
def test_binary_that_is_no_such_tensor_is_refused(
    content: bytes, datatype: str, shape: tuple[int, ...], why: str
) -> None:
    with pytest.raises(TensorInvalid, match=why):
        from_binary(memoryview(content), datatype, shape)


@pytest.mark.parametrize(
    ("datatype", "shape", "why"),
    [
        ("FP16", [1], "send FP32 or FP64"),
        ("BF16", [1], "send FP32 or FP64"),
        ("fp64", [1], "none of"),
        ("", [1], "none of"),
        ("FP64", [], "0 dimensions"),
        ("FP64", [1, 1, 1], "3 dimensions"),
        ("FP64", [2**63] * 100_000, "100000 dimensions"),
        ("FP64", [-1], "negative"),
        ("FP64", [3, -1], "negative"),
    ],
)
def test_a_datatype_or_shape_that_no_tensor_has_is_refused(datatype: str, shape: list[int], why: str) -> None:
    with pytest.raises(TensorInvalid, match=why):
        Tensor.checked("rows", datatype, shape, lambda *_: np.zeros(0))


def test_typed_numbers_beyond_their_datatype_are_refused() -> None:
    with pytest.raises(TensorInvalid, match="does not fit into INT8"):
        from_list([300], "INT8", (1,))
