"""Building one ONNX graph, node by node, with names that depend on nothing but the order of the calls."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 21
ML_OPSET = 5
IR_VERSION = 10
ML_DOMAIN = "ai.onnx.ml"

INPUT = "numeric"
TEXT = "text"
OUTPUTS = {
    "raw_score": TensorProto.DOUBLE,
    "prediction": TensorProto.DOUBLE,
    "is_anomaly": TensorProto.BOOL,
    "confidence": TensorProto.DOUBLE,
}
WORKING_BYTES = "pynomaly.working_bytes_per_row"


class Graph:
    """Nodes and constants of a graph with the input `numeric`, float64 (n_rows, n_numeric), and, where there are text
    columns, `text`, string (n_rows, n_text).

    n_reference: training rows that it compares each row with, 0 where it does not.
    working_bytes_per_row: the largest intermediate result, in bytes per row; whoever runs the graph on many rows
    bounds its memory by scoring blocks of rows. It travels in the model's metadata.
    """

    def __init__(self, n_numeric: int, n_text: int = 0) -> None:
        self.n_numeric, self.n_text = n_numeric, n_text
        self.n_reference = 0
        self.working_bytes_per_row = 8 * (n_numeric + n_text)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def needs_bytes_per_row(self, n_bytes: int) -> None:
        """Take note of an intermediate result of this size per row."""
        self.working_bytes_per_row = max(self.working_bytes_per_row, n_bytes)

    def compares_with(self, n_rows: int) -> None:
        """Take note that it holds so many training rows."""
        self.n_reference = max(self.n_reference, n_rows)

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float64) -> str:
        """Add an initialiser; returns its name."""
        name = f"c{len(self._constants)}"
        array = np.ascontiguousarray(value, dtype=dtype).reshape(np.shape(value))
        self._constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; returns the output's name."""
        return self.add_named((f"v{len(self._nodes)}",), operator, *inputs, domain=domain, **attributes)[0]

    def add_named(
        self, outputs: tuple[str, ...], operator: str, *inputs: str, domain: str = "", **attributes: Any
    ) -> tuple[str, ...]:
        """Add a node whose outputs have these names; returns them."""
        self._nodes.append(helper.make_node(operator, inputs, outputs, domain=domain, **attributes))
        return outputs

    def top_k_smallest(self, values: str, k: int) -> tuple[str, str]:
        """The k smallest of each row of `values` (n_rows, m), ascending: (values, indices), each (n_rows, k)."""
        name = f"v{len(self._nodes)}"
        count = self.constant([k], np.int64)
        smallest, indices = self.add_named((name, f"{name}i"), "TopK", values, count, largest=0)
        return smallest, indices

    def take_columns(self, values: str, columns: Sequence[int], n_columns: int) -> str:
        """Those columns of `values` (n_rows, n_columns); itself, where they are all of them."""
        if list(columns) == list(range(n_columns)):
            return values
        return self.add("Gather", values, self.constant(columns, np.int64), axis=1)

    def model(self, outputs: dict[str, int], n_columns: int | None = None) -> onnx.ModelProto:
        """The checked model with the given outputs (name: element type), each of shape (n_rows,) or (n_rows, 1), or
        (n_rows, n_columns) where that is given.

        Raises onnx.checker.ValidationError where the graph is not valid ONNX.
        """
        inputs = [helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, ["n_rows", self.n_numeric])]
        if self.n_text:
            inputs.append(helper.make_tensor_value_info(TEXT, TensorProto.STRING, ["n_rows", self.n_text]))
        results = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()]
        for value in results:
            value.type.tensor_type.shape.dim.add().dim_param = "n_rows"
            if n_columns is not None:
                value.type.tensor_type.shape.dim.add().dim_value = n_columns
        graph = helper.make_graph(self._nodes, "pynomaly", inputs, results, self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
        model: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        model.producer_name = "pynomaly"
        helper.set_model_props(model, {WORKING_BYTES: str(self.working_bytes_per_row)})
        onnx.checker.check_model(model, full_check=True)
        return model
