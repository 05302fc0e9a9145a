"""Arrow IPC streams and Parquet files as blocks of columns. Imports pyarrow, so import it only where one has come."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pynomaly_chassis.problems import BodyTooLarge, Invalid, MalformedBody

from model_service.bulk.messages import inflated_bytes
from model_service.bulk.parquet import Plan, PrefixesRepeated, plan
from model_service.cells import Values
from model_service.errors import TooManyRows

BLOCK_ROWS = 8192
MAX_INFLATED_BYTES = 256 * 2**20  # of what is in memory at once: a batch, or a page of every column
Block = Mapping[str, Values]


def read_arrow(body: bytes, *, max_rows: int) -> Iterator[Block]:
    """The columns of an Arrow IPC stream, by name, at most 8,192 rows at a time, in order.

    Raises MalformedBody, BodyTooLarge, TooManyRows, Invalid.
    """
    with _malformed("an Arrow IPC stream"):
        _check_messages(body)
        reader = pa.ipc.open_stream(pa.py_buffer(body))
        _check_schema(reader.schema)
        n_rows = 0
        for batch in reader:
            n_rows += batch.num_rows
            _check_count(n_rows, max_rows)
            batch.validate(full=True)
            yield from _blocks(batch)
        _check_some(n_rows)


def read_parquet(body: bytes, *, max_rows: int) -> Iterator[Block]:
    """As `read_arrow`, of a Parquet file."""
    with _malformed("a Parquet file"):
        planned = _plan(body)
        _check_count(planned.n_rows, max_rows)
        _check_some(planned.n_rows)
        _check_inflated(planned.inflated_bytes)
        schema = pq.ParquetFile(pa.py_buffer(body)).schema_arrow
        _check_schema(schema)
        # Texts stay dictionaries: one long text that is said a million times is there once.
        texts = [field.name for field in schema if _is_text(field.type)]
        opened = pq.ParquetFile(pa.py_buffer(body), read_dictionary=texts)
        n_rows = 0
        for batch in opened.iter_batches(BLOCK_ROWS, use_threads=False):
            n_rows += batch.num_rows
            if n_rows > planned.n_rows:  # the groups of rows say themselves how many they have
                break
            yield from _blocks(batch)
        if n_rows != planned.n_rows:
            raise ValueError(f"its footer says {planned.n_rows} rows, and its groups have others")


@contextmanager
def _malformed(what: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, MemoryError, UnicodeError, OverflowError) as error:
        raise MalformedBody(f"the body cannot be read as {what}: {str(error)[:300]}") from error
    except ValueError as error:
        raise MalformedBody(f"the body is not {what}: {str(error)[:300]}") from error


def _check_messages(body: bytes) -> None:
    messages = pa.ipc.MessageReader.open_stream(pa.py_buffer(body))
    for message in iter(partial(_next, messages), None):
        n_bytes = inflated_bytes(message.metadata.to_pybytes(), partial(_part, message.body))
        _check_inflated(n_bytes)


def _next(messages: Any) -> Any:
    try:
        return messages.read_next_message()
    except StopIteration:
        return None


def _part(body: Any, offset: int, length: int) -> bytes:
    if body is None or offset < 0 or length < 8 or offset + 8 > body.size:
        raise ValueError("a buffer lies outside its message")
    found: bytes = body.slice(offset, 8).to_pybytes()
    return found


def _check_schema(schema: Any) -> None:
    seen: set[str] = set()
    for field in schema:
        if field.name in seen:
            raise Invalid.field(f"body.{field.name[:128]}", None, "this column is there twice")
        seen.add(field.name)
        if not any(is_kind(field.type) for is_kind in _TAKEN):
            message = f"a column of {str(field.type)[:80]} is not taken; send numbers, texts, booleans or dates"
            raise Invalid.field(f"body.{field.name[:128]}", None, message)


def _check_count(n_rows: int, max_rows: int) -> None:
    if n_rows > max_rows:
        raise TooManyRows(f"{n_rows} rows; send at most {max_rows} at a time", max_rows=max_rows)


def _check_some(n_rows: int) -> None:
    if n_rows < 1:
        raise Invalid.field("body", None, "send at least one row")


def _check_inflated(n_bytes: int) -> None:
    if n_bytes > MAX_INFLATED_BYTES:
        message = f"it expands to over {MAX_INFLATED_BYTES} bytes at once; write smaller batches or pages"
        raise BodyTooLarge(message, limit_bytes=MAX_INFLATED_BYTES)


def _plan(body: bytes) -> Plan:
    try:
        return plan(body)
    except PrefixesRepeated as error:
        message = "its encoding DELTA_BYTE_ARRAY is not taken; write it plain or as a dictionary"
        raise Invalid.field(f"body.{error.column[:128]}", None, message) from error


def _blocks(batch: Any) -> Iterator[Block]:
    for start in range(0, batch.num_rows, BLOCK_ROWS):
        part = batch.slice(start, BLOCK_ROWS)
        yield {name: _values(column) for name, column in zip(part.schema.names, part.columns, strict=True)}


def _values(column: Any) -> Values:
    if pa.types.is_dictionary(column.type):
        return _said_once(column)
    if pa.types.is_null(column.type) or _is_text(column.type):
        return _texts(column)
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    found: np.ndarray[Any, Any] = column.to_numpy(zero_copy_only=False)
    return found


def _said_once(column: Any) -> Values:
    """The values of a dictionary's column: each text is made once, however long and however often it is there."""
    codes = column.indices.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False)
    used, places = np.unique(codes, return_inverse=True)
    known = used[used >= 0]
    texts = np.empty(len(used), np.object_)
    texts[len(used) - len(known) :] = _texts(column.dictionary.take(pa.array(known)))
    return texts[places]


def _texts(column: Any) -> list[Any]:
    """A string_view's texts may all be the same bytes of the body, which are copied for each."""
    if pa.types.is_string_view(column.type):
        _check_inflated(_viewed_bytes(column))
    texts: list[Any] = column.to_pylist()
    return texts


def _viewed_bytes(column: Any) -> int:
    """Of all texts: a view is 16 bytes, the first four of them its length (Arrow's columnar format)."""
    views = np.frombuffer(column.buffers()[1], np.uint32)[::4]
    return int(views[column.offset : column.offset + len(column)].sum(dtype=np.int64))


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_dictionary_of_texts(kind: Any) -> bool:
    return bool(pa.types.is_dictionary(kind)) and _is_text(kind.value_type)


_TAKEN = (
    *(pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_null),
    *(pa.types.is_date, pa.types.is_timestamp, _is_text, _is_dictionary_of_texts),
)
