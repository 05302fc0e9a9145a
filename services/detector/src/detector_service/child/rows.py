"""Rows of a data set: an Arrow IPC stream, read in blocks of bounded size."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pynomaly_contracts.labels import parse_label

from detector_service.domain import Refusal, Unfit, check_finite

BLOCK_ROWS = 65_536


class Block(NamedTuple):
    """Rows in file order. first_row: number of the first, from 1. numeric: float64 (n_rows, n_features), finite."""

    first_row: int
    batch: pa.RecordBatch
    numeric: NDArray[np.float64]


def read_schema(path: Path) -> pa.Schema:
    """The columns of a stream."""
    with path.open("rb") as file, pa.ipc.open_stream(file) as reader:
        return reader.schema


def read_blocks(path: Path, features: Sequence[str]) -> Iterator[Block]:
    """At most 65,536 rows at a time.

    Raises Unfit naming the column and the first row of a value that is missing or not finite.
    """
    first_row = 1
    with path.open("rb") as file, pa.ipc.open_stream(file) as reader:
        for whole in reader:
            for begin in range(0, whole.num_rows, BLOCK_ROWS):
                batch = whole.slice(begin, BLOCK_ROWS)
                yield Block(first_row, batch, _numeric(batch, features, first_row))
                first_row += batch.num_rows


def _numeric(batch: pa.RecordBatch, features: Sequence[str], first_row: int) -> NDArray[np.float64]:
    numeric = np.empty((batch.num_rows, len(features)))
    for index, name in enumerate(features):
        values = batch.column(name).cast(pa.float64(), safe=False)
        numeric[:, index] = values.to_numpy(zero_copy_only=False)
    check_finite(numeric, features, first_row=first_row)
    return numeric


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
