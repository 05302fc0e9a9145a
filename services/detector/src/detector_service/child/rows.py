"""Rows of a data set: an Arrow IPC stream, read in blocks of bounded size."""

import reprlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pynomaly_contracts.datasets import Column, ColumnType
from pynomaly_contracts.labels import parse_label
from pynomaly_scoring import Fault, InputColumn, RowRules, Rows

from detector_service.domain import Refusal, Unfit
from detector_service.features import TEXT, check_features

BLOCK_ROWS = 65_536
_UNITS_PER_S = {"s": 1e0, "ms": 1e3, "us": 1e6, "ns": 1e9}


class RawColumn(Protocol):
    """A column as it is asked for: its name, and the type that decides whether it is a number or a text."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...


class Block(NamedTuple):
    """Rows in file order. first_row: number of the first, from 1. rows: the columns asked for, in order."""

    first_row: int
    batch: pa.RecordBatch
    rows: Rows


def read_schema(path: Path) -> pa.Schema:
    """The columns of a stream."""
    with path.open("rb") as file, pa.ipc.open_stream(file) as reader:
        return reader.schema


def read_batches(path: Path, *, cut_every: int = BLOCK_ROWS) -> Iterator[tuple[int, pa.RecordBatch]]:
    """At most 65,536 rows at a time, with the number of the first, from 1; one batch of none where there are none.

    cut_every: no batch has rows on both sides of a multiple of it.
    """
    begin = 0
    with path.open("rb") as file, pa.ipc.open_stream(file) as reader:
        for whole in _batches(reader):
            end = begin + whole.num_rows
            first = begin
            while first < end or first == begin == end:
                size = min(BLOCK_ROWS, cut_every - first % cut_every)
                yield first + 1, whole.slice(first - begin, size)
                first += size
            begin = end


def read_blocks(path: Path, columns: Sequence[RawColumn]) -> Iterator[Block]:
    """As `read_batches`, with the columns that are asked for."""
    return (block_of(first_row, batch, columns) for first_row, batch in read_batches(path))


def block_of(first_row: int, batch: pa.RecordBatch, columns: Sequence[RawColumn]) -> Block:
    """A batch with the columns that are asked for."""
    return Block(first_row, batch, _rows(batch, columns))


def read_checked(path: Path, columns: Sequence[InputColumn]) -> Iterator[Block]:
    """As `read_blocks`, of what a model takes.

    Raises Unfit naming each column of another type, or the column and the first row of a value that it does not take.
    """
    check_schema(path, columns)
    rules = RowRules(columns)
    for block in read_blocks(path, columns):
        check_block(block, rules)
        yield block


def check_schema(path: Path, columns: Sequence[InputColumn]) -> None:
    """Raises Unfit naming each column that is of another type than a model takes."""
    check_features(_typed(read_schema(path)), {column.name: column.type for column in columns})


def check_block(block: Block, rules: RowRules) -> None:
    """Raises Unfit naming the column and the first row of a value that a model does not take."""
    if not rules.hold(block.rows):
        raise _refused(next(rules.faults(block.rows)), block.first_row)


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    batch = None
    for batch in reader:
        yield batch
    if batch is None:
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)


def _typed(schema: pa.Schema) -> list[Column]:
    return [Column(name=field.name, type=_type_of(field.type)) for field in schema]


def _type_of(stored: pa.DataType) -> ColumnType:
    kinds: dict[ColumnType, Callable[[pa.DataType], bool]] = {
        "boolean": pa.types.is_boolean,
        "integer": pa.types.is_integer,
        "date": pa.types.is_date,
        "datetime": pa.types.is_timestamp,
        "number": lambda found: pa.types.is_floating(found) or pa.types.is_decimal(found),
    }
    return next((name for name, holds in kinds.items() if holds(stored)), "string")


def _rows(batch: pa.RecordBatch, columns: Sequence[RawColumn]) -> Rows:
    numbers = [column.name for column in columns if column.type != TEXT]
    texts = [column.name for column in columns if column.type == TEXT]
    numeric = np.empty((batch.num_rows, len(numbers)))
    for index, name in enumerate(numbers):
        numeric[:, index] = _numbers(batch.column(name))
    if not texts:
        return Rows(numeric)
    text = np.empty((batch.num_rows, len(texts)), dtype=np.object_)
    for index, name in enumerate(texts):
        text[:, index] = _texts(batch.column(name))
    return Rows(numeric, text)


def _numbers(values: pa.Array) -> NDArray[np.float64]:
    """NaN where a value is missing; a point in time as seconds since 1970, UTC."""
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s"))
    if pa.types.is_timestamp(values.type):
        units = _UNITS_PER_S[values.type.unit]
        return np.asarray(values.cast(pa.int64()).to_numpy(zero_copy_only=False), np.float64) / units
    numbers: NDArray[np.float64] = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def _texts(values: pa.Array) -> NDArray[np.object_]:
    """Empty where a value is missing. Rows of the same text share one object."""
    encoded = values.cast(pa.string()).dictionary_encode()
    words = np.array([*encoded.dictionary.to_pylist(), ""], dtype=np.object_)
    codes = encoded.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)
    found: NDArray[np.object_] = words[codes]
    return found


def _refused(fault: Fault, first_row: int) -> Unfit:
    shown = "" if fault.value is None else f"{reprlib.repr(fault.value)} "
    message = f"column {fault.column!r}, row {first_row + fault.row}: {shown}{fault.message}"
    return Unfit(Refusal(fault.column, None if fault.value is None else str(fault.value), message))


def read_labels(block: Block, target: str) -> NDArray[np.bool_]:
    """Whether each row is labelled an anomaly. Raises Unfit naming the first row without a label that is one."""
    encoded = block.batch.column(target).dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    words = [*encoded.dictionary.to_pylist(), None]
    codes = np.where(np.isnan(codes), len(words) - 1, codes).astype(np.int64)
    first = {int(code): int(row) for code, row in zip(*np.unique(codes, return_index=True), strict=True)}
    anomalous = np.zeros(len(words), np.bool_)
    for code in sorted(first, key=first.__getitem__):
        try:
            anomalous[code] = parse_label(words[code])
        except ValueError as error:
            message = f"column {target!r}, row {block.first_row + first[code]}: {error}"
            raise Unfit(Refusal(target, words[code], message)) from error
    labels: NDArray[np.bool_] = anomalous[codes]
    return labels
