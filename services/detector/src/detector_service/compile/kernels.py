"""Kernels between rows and reference points, as scikit-learn defines them."""

from dataclasses import dataclass

import numpy as np

from detector_service.compile.distances import FloatMatrix, add_quick_square_distances
from detector_service.compile.graph import Graph
from detector_service.compile.trees import FloatVector


@dataclass(frozen=True)
class Kernel:
    """name: linear, poly (gamma x.r + coef0)^degree, rbf exp(-gamma |x - r|^2), sigmoid tanh(gamma x.r + coef0)."""

    name: str
    gamma: float
    degree: int
    coef0: float

    def add(self, graph: Graph, rows: str, reference: FloatMatrix, error: float) -> str:
        """K of each row and reference point, (n_rows, n_reference); rbf to `error` within the reference's range."""
        graph.compares_with(len(reference))
        if self.name == "rbf":
            squares = add_quick_square_distances(graph, rows, reference, error / self.gamma)
            return graph.add("Exp", graph.add("Mul", squares, graph.constant(-self.gamma)))
        graph.needs_bytes_per_row(8 * len(reference))
        # Scaled beforehand: ONNX Runtime folds a factor after the product into a float32 attribute.
        return self._add_curve(graph, graph.add("MatMul", rows, graph.constant(reference.T * self._scale)))

    def add_own(self, graph: Graph, rows: str) -> str:
        """K of each row and itself, (n_rows, 1)."""
        squares = graph.add("ReduceSumSquare", rows, graph.constant([1], np.int64), keepdims=1)
        if self.name == "rbf":
            return graph.add("Exp", graph.add("Mul", squares, graph.constant(0.0)))
        return self._add_curve(graph, graph.add("Mul", squares, graph.constant(self._scale)))

    @property
    def _scale(self) -> float:
        return 1.0 if self.name == "linear" else self.gamma

    def _add_curve(self, graph: Graph, products: str) -> str:
        """K of products that are scaled by gamma."""
        if self.name == "linear":
            return products
        argument = graph.add("Add", products, graph.constant(self.coef0))
        if self.name == "sigmoid":
            return graph.add("Tanh", argument)
        return graph.add("Pow", argument, graph.constant(float(self.degree)))

    def rounding(self, rows: FloatMatrix, reference: FloatMatrix) -> FloatVector:
        """How far rounding may move K of each row and any reference point, in units of the machine's, (n_rows,).

        scikit-learn takes the squared distances of rbf from products of uncentred rows.
        """
        norms, largest = (rows**2).sum(axis=1), float((reference**2).sum(axis=1).max())
        products: FloatVector = self._scale * np.sqrt(norms * largest)
        if self.name == "linear":
            return products
        size: FloatVector = products + abs(self.coef0)
        if self.name == "rbf":
            size = 1 + self.gamma * (norms + largest)
        elif self.name == "poly":
            size = (1 + self.degree) * size**self.degree
        return size
