"""Missing numbers and dates: what stands in for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from detector_service.compile.family import FloatMatrix, FloatVector
from detector_service.compile.graph import INPUT, Graph
from detector_service.compile.pipeline.blocks import Block, Feature
from detector_service.domain import Refusal, Unfit
from detector_service.features import SourceColumn

BoolVector = NDArray[np.bool_]
LAST_PLACE = 1_000  # of a column's features, the one that says where its value was missing


@dataclass(frozen=True)
class Filling:
    """columns: those of `numeric`, with their positions among the features. medians: (n_numeric,), NaN where a value
    must not be missing. flagged: the columns whose missing values are a feature."""

    columns: tuple[tuple[int, SourceColumn], ...]
    medians: FloatVector
    flagged: tuple[int, ...]

    @classmethod
    def fit(cls, columns: Sequence[tuple[int, SourceColumn]], numeric: FloatMatrix) -> "Filling":
        """numeric: (n_train, n_numeric). Raises Unfit on a missing value that is rejected, and on an infinite one."""
        medians, flagged = np.full(len(columns), np.nan), []
        for number, (_, column) in enumerate(columns):
            values = numeric[:, number]
            missing = np.isnan(values)
            check_values(column, values, missing)
            if column.missing != "reject":
                medians[number] = _median(column, values[~missing])
            if column.missing == "indicator" and missing.any():
                flagged.append(number)
        return cls(tuple(columns), medians, tuple(flagged))

    def stand_ins(self) -> Iterator[tuple[SourceColumn, float]]:
        """Each column with what stands in for a missing value; NaN where none may be missing."""
        yield from zip((column for _, column in self.columns), self.medians.tolist(), strict=True)

    def add(self, graph: Graph) -> tuple[str, list[Block]]:
        """The filled columns, (n_rows, n_numeric), and what says where they were filled."""
        if np.isnan(self.medians).all():
            return INPUT, []
        missing = graph.add("IsNaN", INPUT)
        filled = graph.add("Where", missing, graph.constant(self.medians), INPUT)
        if not self.flagged:
            return filled, []
        flags = graph.take_columns(missing, self.flagged, len(self.columns))
        named = [self.columns[number] for number in self.flagged]
        features = [Feature(position, LAST_PLACE, f"{column.name} missing") for position, column in named]
        return filled, [Block(graph.add("Cast", flags, to=TensorProto.DOUBLE), features)]


def missing_value(name: str, row: int) -> Unfit:
    """The refusal of a value that must not be missing; row: the first, from 1."""
    message = (
        f"column {name!r} has a missing value, first in row {row}; fill it, leave out the row or the column, or set "
        "preprocessing.missing to median or indicator"
    )
    return Unfit(Refusal(name, None, message))


def all_missing(name: str) -> Unfit:
    """The refusal of a column without any value."""
    return Unfit(Refusal(name, None, f"column {name!r} has no value in any row; leave it out of feature_columns"))


def check_values(column: SourceColumn, values: FloatVector, missing: BoolVector, *, first_row: int = 1) -> None:
    """values: (n,), of a column or a part of it. first_row: the number of the first one's row. Raises Unfit."""
    if column.missing == "reject" and missing.any():
        raise missing_value(column.name, first_row + int(missing.argmax()))
    if missing.all():
        raise all_missing(column.name)
    infinite = np.isinf(values)
    if infinite.any():
        row = int(infinite.argmax())
        message = (
            f"column {column.name!r} has an infinite value, first in row {first_row + row}; leave out the row or the "
            "column"
        )
        raise Unfit(Refusal(column.name, str(values[row]), message))


def _median(column: SourceColumn, values: FloatVector) -> float:
    """Of booleans the more frequent value, false where both are as frequent."""
    with np.errstate(over="ignore"):
        median = float(np.median(values))
    if not np.isfinite(median):  # the sum of the middle two overflowed; of their halves it never does
        median = 2.0 * float(np.median(values / 2))
    return float(np.floor(median)) if column.type == "boolean" else median
