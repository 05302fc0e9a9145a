"""Numbers brought to a common scale, as scikit-learn's StandardScaler, RobustScaler and QuantileTransformer do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from detector_service.compile.family import FloatMatrix, FloatVector
from detector_service.compile.graph import Graph
from detector_service.compile.trees import StepFunction, add_tree_ensemble, balanced_tree
from detector_service.domain import Refusal, Unfit
from detector_service.features import SourceColumn

MAX_KNOTS = 1_000
_LARGEST = np.finfo(np.float64).max


@dataclass(frozen=True)
class Scale:
    """(x - centre) / spread; where there are knots, the position among them: f(knot) is position, f in between is
    linear from `after` of the knot below to `before` of the one above."""

    centre: float = 0.0
    spread: float = 1.0
    knots: FloatVector | None = None
    before: FloatVector | None = None
    after: FloatVector | None = None


def fit_scale(column: SourceColumn, values: FloatVector) -> Scale:
    """values: (n_train,), finite. Raises Unfit where they are too large to be scaled."""
    if column.scaling == "none":
        return Scale()
    with np.errstate(over="ignore", invalid="ignore"):
        scale = _quantiles(values) if column.scaling == "quantile" else _moments(column.scaling, values)
        usable = np.isfinite([scale.centre, scale.spread, np.ptp(values)]).all()
    if not usable:
        largest = float(np.abs(values).max())
        message = f"column {column.name!r} has values up to {largest:.3g}, too large to be scaled; leave it out"
        raise Unfit(Refusal(column.name, largest, message))
    return scale


def _moments(scaling: str, values: FloatVector) -> Scale:
    if scaling == "standard":
        centre, spread = float(values.mean()), float(values.std())
    else:
        low, centre, high = map(float, np.percentile(values, (25, 50, 75)))
        spread = high - low
    return Scale(centre, spread if spread > 0 and np.ptp(values) > 0 else 1.0)


def _quantiles(values: FloatVector) -> Scale:
    """At most 1,000 quantiles; of a value that fills several, the middle. The lowest is 0, the highest 1."""
    shares = np.linspace(0, 1, min(MAX_KNOTS, len(values)))
    quantiles = np.maximum.accumulate(np.percentile(values, 100 * shares))
    knots, first, counts = np.unique(quantiles, return_index=True, return_counts=True)
    return Scale(knots=knots, before=shares[first], after=shares[first + counts - 1])


@dataclass(frozen=True)
class Scaling:
    """One scale per column of values (n_rows, n_columns)."""

    scales: tuple[Scale, ...]

    @classmethod
    def fit(cls, columns: Sequence[SourceColumn], values: FloatMatrix) -> "Scaling":
        """values: (n_train, n_columns), finite. Raises Unfit."""
        return cls(tuple(fit_scale(column, values[:, number]) for number, column in enumerate(columns)))

    def add(self, graph: Graph, values: str) -> str:
        """The scaled values, (n_rows, n_columns)."""
        moved = self._add_moved(graph, values)
        ranked = [number for number, scale in enumerate(self.scales) if scale.knots is not None]
        if not ranked:
            return moved
        n_columns = len(self.scales)
        positions = _add_positions(
            graph, graph.take_columns(values, ranked, n_columns), [self.scales[number] for number in ranked]
        )
        others = [number for number in range(n_columns) if number not in ranked]
        if not others:
            return positions
        together = graph.add("Concat", graph.take_columns(moved, others, n_columns), positions, axis=1)
        return graph.take_columns(together, np.argsort([*others, *ranked]).tolist(), n_columns)

    def _add_moved(self, graph: Graph, values: str) -> str:
        centres, spreads = (np.array([getattr(scale, name) for scale in self.scales]) for name in ("centre", "spread"))
        if not centres.any() and (spreads == 1).all():
            return values
        return graph.add("Div", graph.add("Sub", values, graph.constant(centres)), graph.constant(spreads))


@dataclass(frozen=True)
class _Segments:
    """Between and on the knots: f(x) = bases + slopes * (x - starts), of the segment that holds x; each (n,)."""

    cuts: FloatVector
    starts: FloatVector
    bases: FloatVector
    slopes: FloatVector


def _segments(scale: Scale) -> _Segments:
    """Segments 2i + 1 hold knot i alone, 2i + 2 what lies between knots i and i + 1."""
    knots, before, after = scale.knots, scale.before, scale.after
    assert knots is not None  # noqa: S101 - of those alone
    assert before is not None  # noqa: S101
    assert after is not None  # noqa: S101
    at = (before + after) / 2
    at[-1], at[0] = 1.0, 0.0
    cuts = np.column_stack([np.nextafter(knots, -np.inf), knots]).ravel()
    with np.errstate(over="ignore"):
        between = np.append((before[1:] - after[:-1]) / np.diff(knots), 0.0)
    bases = np.append(after[:-1], 1.0)
    return _Segments(
        cuts=cuts,
        starts=np.concatenate(([knots[0]], np.repeat(knots, 2))),
        bases=np.concatenate(([0.0], np.column_stack([at, bases]).ravel())),
        slopes=np.concatenate(([0.0], np.column_stack([np.zeros_like(knots), np.minimum(between, _LARGEST)]).ravel())),
    )


def _add_positions(graph: Graph, values: str, scales: Sequence[Scale]) -> str:
    found = [_segments(scale) for scale in scales]
    # Beyond the outermost knots nothing changes, and the distance to them may overflow. Above the last is not on it:
    # of a column that was constant, that alone tells a row apart.
    lowest = graph.constant([part.starts[0] for part in found])
    highest = graph.constant([np.nextafter(part.starts[-1], np.inf) for part in found])
    values = graph.add("Max", graph.add("Min", values, highest), lowest)
    trees = [
        balanced_tree(StepFunction(part.cuts, np.arange(len(part.starts), dtype=np.float64)), column)
        for column, part in enumerate(found)
    ]
    own = graph.add("Cast", add_tree_ensemble(graph, values, trees, apart=True), to=TensorProto.INT64)
    first: NDArray[np.int64] = np.cumsum([0, *(len(part.starts) for part in found)])[:-1]
    segment = graph.add("Add", own, graph.constant(first, np.int64))
    starts, bases, slopes = (
        graph.add("Gather", graph.constant(np.concatenate([getattr(part, name) for part in found])), segment)
        for name in ("starts", "bases", "slopes")
    )
    return graph.add("Add", bases, graph.add("Mul", graph.add("Sub", values, starts), slopes))
