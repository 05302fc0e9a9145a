"""How a detector's columns appear as tensors, and its scores. Pure.

A model's inputs are its columns, each a tensor [n_rows]. Rows come as one tensor per column, by name, [n_rows] or
[n_rows, 1]; or as one tensor of numbers [n_rows, n_columns] in the declared order, under any name; where there are
text columns, as `numeric` [n_rows, n_numeric] and `text` [n_rows, n_text], each in the declared order.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pynomaly_chassis.problems import Invalid
from pynomaly_scoring import InputColumn, Rows

from model_service.domain import Columns
from model_service.errors import TooManyRows
from model_service.open_inference.tensors import BOOL, BYTES, FP64, INT64, Array, Tensor, TensorInvalid
from model_service.refusals import RowsRefused, shown

OUTPUTS = {"raw_score": FP64, "prediction": FP64, "is_anomaly": BOOL, "confidence": FP64}
CONFIDENCE = "confidence"
USUAL_OUTPUTS = tuple(name for name in OUTPUTS if name != CONFIDENCE)
NUMERIC, TEXT = "numeric", "text"
PLACE = "inputs"
_N_ROWS = -1  # as metadata writes a dimension that varies


def described(columns: Columns) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The inputs and outputs of a model as its metadata lists them."""
    inputs = [_tensor(column.name, _datatype(column)) for column in columns.inputs]
    return inputs, [_tensor(name, datatype) for name, datatype in OUTPUTS.items()]


def rows_of(inputs: Sequence[Tensor], columns: Columns, max_rows: int) -> Rows:
    """The rows in the tensors. Nothing is read before names and shapes are known to fit.

    Raises TensorInvalid, TooManyRows, Invalid.
    """
    named = _by_name(inputs)
    n_rows = _n_rows(inputs, max_rows)
    try:
        if len(inputs) == 1 and _is_matrix(inputs[0], len(columns.names)):
            return columns.of_matrix(_numbers(inputs[0].array()), place=f"{PLACE}.{inputs[0].name[:128]}")
        if named.keys() == {NUMERIC, TEXT} and not named.keys() <= set(columns.names):
            return columns.of_columns(_halves(named, columns), place=PLACE)
        return columns.of_columns(_whole_columns(named, columns, n_rows), place=PLACE)
    except RowsRefused as error:
        raise Invalid(str(error), errors=error.problems) from error


def check_outputs(wanted: Sequence[str]) -> None:
    """Raises TensorInvalid on one that no model has, or that is asked for twice."""
    for index, name in enumerate(wanted):
        if name not in OUTPUTS:
            raise TensorInvalid(f"there is no output {name[:128]!r}; there are {', '.join(OUTPUTS)}")
        if name in wanted[:index]:
            raise TensorInvalid(f"output {name!r} is asked for twice")


def _tensor(name: str, datatype: str) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [_N_ROWS]}


def _datatype(column: InputColumn) -> str:
    """What may be missing is FP64, where NaN says so."""
    if column.is_text:
        return BYTES
    whole = {"integer": INT64, "boolean": BOOL}
    return FP64 if column.accepts_missing else whole.get(column.type, FP64)


def _by_name(inputs: Sequence[Tensor]) -> dict[str, Tensor]:
    if not inputs:
        raise TensorInvalid("the request has no inputs")
    named = {tensor.name: tensor for tensor in inputs}
    if len(named) != len(inputs):
        raise TensorInvalid("two inputs have the same name")
    return named


def _n_rows(inputs: Sequence[Tensor], max_rows: int) -> int:
    n_rows = inputs[0].shape[0]
    for tensor in inputs:
        if tensor.shape[0] != n_rows:
            raise TensorInvalid(
                f"input {tensor.name[:128]!r} has {tensor.shape[0]} rows, and {inputs[0].name[:128]!r} has {n_rows}"
            )
    if n_rows == 0:
        raise TensorInvalid("the inputs have no rows; send at least one")
    if n_rows > max_rows:
        raise TooManyRows(f"{n_rows} rows; send at most {max_rows} at a time", max_rows=max_rows)
    return n_rows


def _is_matrix(tensor: Tensor, n_columns: int) -> bool:
    """Whether it holds all columns; under one of their names a single column is that column."""
    return len(tensor.shape) == 2 and tensor.shape[1] == n_columns and tensor.datatype != BYTES


def _numbers(matrix: Array) -> Array:
    return matrix.view(np.uint8) if matrix.dtype.kind == "b" else matrix


def _halves(named: dict[str, Tensor], columns: Columns) -> dict[str, Array]:
    """The columns of the numeric and the text tensor, by name."""
    found: dict[str, Array] = {}
    for half, is_text in ((NUMERIC, False), (TEXT, True)):
        names = [column.name for column in columns.inputs if column.is_text == is_text]
        shape, datatype = named[half].shape, named[half].datatype
        if len(shape) != 2 or shape[1] != len(names) or (datatype == BYTES) != is_text:
            kind = BYTES if is_text else "numbers"
            raise TensorInvalid(f"input {half!r} must be {kind} [n_rows, {len(names)}], not {datatype} {list(shape)}")
        matrix = named[half].array()
        found |= {name: matrix[:, index] for index, name in enumerate(names)}
    return found


def _whole_columns(named: dict[str, Tensor], columns: Columns, n_rows: int) -> dict[str, Array]:
    for name, tensor in named.items():
        if name not in columns.names:
            raise TensorInvalid(_stranger(tensor, columns))
        if tensor.shape not in ((n_rows,), (n_rows, 1)):
            raise TensorInvalid(f"input {name!r} must be [n_rows] or [n_rows, 1], not {list(tensor.shape)}")
    return {name: tensor.array().reshape(n_rows) for name, tensor in named.items()}


def _stranger(tensor: Tensor, columns: Columns) -> str:
    return (
        f"input {tensor.name[:128]!r} {list(tensor.shape)} is none of the model's columns ({shown(columns.names)}), "
        f"nor all of them, which would be numbers [n_rows, {len(columns.names)}]"
    )
