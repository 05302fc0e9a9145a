"""Cook's distance, frozen: each row scored as stock PyOD scores it when it is the last row of training + row.

For the regression of one column on the others x (stock: with an intercept; leverages without), let A = X'X over the
training rows, q = x' A^-1 x and b_i = x_i' A^-1 x. With the row added, by Sherman and Morrison, the leverages are
    h = q / (1 + q),  h_i = x_i' A^-1 x_i - b_i^2 / (1 + q),
and Cook's distances, but for a factor that all have in common, c = e^2 q (1 + q) and c_i = e_i^2 h_i / (1 - h_i)^2 with
the residuals e. Stock scales them by their least and largest; the score is the mean over the columns.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from detector_service.compile.distances import EPSILON, FloatMatrix
from detector_service.compile.family import Family
from detector_service.compile.graph import Graph
from detector_service.compile.trees import FloatVector

_FAR = 1e100  # where values are cut off, so that no product overflows: the score has long been 1
_FAR_IN_UNITS = 1e37
_ROUNDINGS = 16


@dataclass(frozen=True)
class Regressions:
    """Of each column on the others, for n training rows and d columns.

    residuals: (d, d), of centred rows to the residuals of each column in units of its scale. scales: (d,).
    directions: (d, d, d - 1): a row times the j-th gives z with q = |z|^2.
    squares, leverages: (d, n), of the training rows. conditions: (d,), of the explaining columns.
    """

    centre: FloatVector
    residuals: FloatMatrix
    scales: FloatVector
    directions: FloatMatrix
    squares: FloatMatrix
    leverages: FloatMatrix
    conditions: FloatVector


def regressions(models: Any, training: FloatMatrix) -> Regressions:
    """From PyOD's fitted linear models, one per column. training: (n, d), of which no column determines another."""
    centre = training.mean(axis=0)
    coefficients = np.array([np.insert(-model.coef_, j, 1.0) for j, model in enumerate(models)]).T
    left = (training - centre) @ coefficients
    scales = np.sqrt((left**2).mean(axis=0))
    found = [_directions(training, j) for j in range(training.shape[1])]
    return Regressions(
        centre=centre,
        residuals=coefficients / scales,
        scales=scales,
        directions=np.array([directions for directions, _, _ in found]),
        squares=((left / scales) ** 2).T,
        leverages=np.array([leverages for _, leverages, _ in found]),
        conditions=np.array([condition for _, _, condition in found]),
    )


def _directions(training: FloatMatrix, column: int) -> tuple[FloatMatrix, FloatVector, float]:
    explaining = np.delete(training, column, axis=1)
    lengths = np.linalg.norm(explaining, axis=0)
    left, singular, right = np.linalg.svd(explaining / lengths, full_matrices=False)
    directions = right.T / singular / lengths[:, np.newaxis]
    condition = float(singular[0] / singular[-1] * lengths.max() / lengths.min())
    return np.insert(directions, column, 0.0, axis=0), (left**2).sum(axis=1), condition


def add_cd(graph: Graph, rows: str, estimator: Any, training: FloatMatrix) -> str:
    """The mean of the scaled distances, (n_rows, 1). Intermediate results are (d, n_rows, n_train)."""
    fitted = regressions(estimator._models, training)  # noqa: SLF001 - PyOD scores with these
    graph.needs_bytes_per_row(8 * training.size)
    near = _add_clip(graph, rows, _FAR)
    centred = graph.add("Sub", near, graph.constant(fitted.centre))
    residuals = _add_clip(graph, graph.add("MatMul", centred, graph.constant(fitted.residuals)), _FAR_IN_UNITS)
    by_column = graph.add("Unsqueeze", graph.add("Transpose", residuals, perm=[1, 0]), graph.constant([2], np.int64))
    square = graph.add("Mul", by_column, by_column)
    turned = _add_clip(graph, graph.add("MatMul", near, graph.constant(fitted.directions)), _FAR_IN_UNITS)
    q = graph.add("ReduceSumSquare", turned, graph.constant([2], np.int64), keepdims=1)
    one_more = graph.add("Add", q, graph.constant(1.0))
    own = graph.add("Mul", square, graph.add("Mul", q, one_more))
    least, largest = _add_training_range(graph, fitted, training, turned, one_more)
    return _add_mean_of_scaled(graph, own, least, largest)


def _add_training_range(
    graph: Graph, fitted: Regressions, training: FloatMatrix, turned: str, one_more: str
) -> tuple[str, str]:
    """The least and the largest distance of the training rows beside each row, (d, n_rows, 1)."""
    back = graph.add("MatMul", turned, graph.constant(fitted.directions.transpose(0, 2, 1)))
    products = graph.add("MatMul", back, graph.constant(training.T))
    fall = graph.add("Div", graph.add("Mul", products, products), one_more)
    lower = graph.add("Sub", graph.constant(fitted.leverages[:, np.newaxis]), fall)
    leverages = graph.add("Max", lower, graph.constant(0.0))
    rest = graph.add("Sub", graph.constant(1.0), leverages)
    weights = graph.add("Div", leverages, graph.add("Mul", rest, rest))
    distances = graph.add("Mul", weights, graph.constant(fitted.squares[:, np.newaxis]))
    axis = graph.constant([2], np.int64)
    return graph.add("ReduceMin", distances, axis, keepdims=1), graph.add("ReduceMax", distances, axis, keepdims=1)


def _add_mean_of_scaled(graph: Graph, own: str, training_least: str, training_largest: str) -> str:
    """The mean over the columns of the row's distances within the range that they themselves are part of."""
    least = graph.add("Min", training_least, own)
    width = graph.add("Sub", graph.add("Max", training_largest, own), least)
    share = graph.add("Div", graph.add("Sub", own, least), width)
    return graph.add("ReduceMean", share, graph.constant([0], np.int64), keepdims=0)


def _add_clip(graph: Graph, values: str, border: float) -> str:
    return graph.add("Clip", values, graph.constant(-border), graph.constant(border))


def doubt(estimator: Any, rows: FloatMatrix) -> FloatVector:
    """How far rounding may carry the mean; infinity where it decides whether a row has all the leverage."""
    models = estimator._models  # noqa: SLF001 - as above
    fitted = regressions(models, estimator.training_)
    intercepts = np.array([abs(model.intercept_) for model in models])
    with np.errstate(all="ignore"):
        doubts = [_doubt_of_row(fitted, estimator.training_, intercepts, row) for row in rows]
    found: FloatVector = np.nan_to_num(np.array(doubts), nan=np.inf, posinf=np.inf)
    return found


def _doubt_of_row(fitted: Regressions, training: FloatMatrix, intercepts: FloatVector, row: FloatVector) -> float:
    """From the least and the largest that each column's distance can be."""
    d = len(row)
    blur = _ROUNDINGS * EPSILON * d * fitted.conditions  # of a leverage
    turned = np.einsum("k,jkr->jr", row, fitted.directions)
    q = (turned**2).sum(axis=1)
    if (blur * (1 + q)).max() > 0.1:
        return np.inf
    products = np.einsum("jkr,jr->jk", fitted.directions, turned) @ training.T
    leverages = np.maximum(fitted.leverages - products**2 / (1 + q)[:, np.newaxis], 0)
    weights = np.array([leverages / (1 - leverages) ** 2, blur[:, np.newaxis] * (1 + leverages) / (1 - leverages) ** 3])
    lows, highs = _between(np.sqrt(fitted.squares), _residual_blur(fitted, intercepts, training), weights)
    own_weights = np.array([q * (1 + q), blur * (1 + q) ** 2 * (1 + 2 * q)])
    residuals = np.abs((row - fitted.centre) @ fitted.residuals)
    own_blur = _residual_blur(fitted, intercepts, row[np.newaxis])[:, 0]
    low, high = _between(residuals, own_blur, own_weights)
    least, most = lows.max(axis=1), highs.max(axis=1)
    lowest, highest = lows.min(axis=1), highs.min(axis=1)
    at_most = np.where(high >= least, 1.0, (high - np.minimum(lowest, low)) / (least - lowest))
    at_least = np.where(low >= most, 1.0, (low - np.minimum(highest, low)) / np.maximum(most - highest, 0))
    return float(np.clip(at_most - at_least, 0, 1).mean())


def _residual_blur(fitted: Regressions, intercepts: FloatVector, rows: FloatMatrix) -> FloatMatrix:
    """(d, n_rows), in units of the scales."""
    sizes = np.abs(rows) @ np.abs(fitted.residuals) + intercepts / fitted.scales
    return _ROUNDINGS * EPSILON * len(intercepts) * sizes.T


def _between(residuals: Any, blur: Any, weights: Any) -> tuple[Any, Any]:
    """weights: the values and how far they may be off."""
    value, off = weights
    low = np.maximum(residuals - blur, 0) ** 2 * np.maximum(value - off, 0)
    return low, (residuals + blur) ** 2 * (value + off)


CD = Family(add_cd, doubt, scored_alone=True, keeps_training_scores=True)
