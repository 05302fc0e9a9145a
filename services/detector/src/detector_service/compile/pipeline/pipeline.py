"""From raw columns to the features that a detector sees: fitted on the training rows, added to the graph as nodes.

The training rows' own features are what those very nodes give for them.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from onnx import TensorProto
from pynomaly_scoring import InputColumn, Rows

from detector_service.compile.family import FloatMatrix
from detector_service.compile.graph import INPUT, Graph
from detector_service.compile.pipeline.blocks import Block, Feature, add_together
from detector_service.compile.pipeline.categories import Categories
from detector_service.compile.pipeline.dates import add_days, add_parts
from detector_service.compile.pipeline.filling import Filling
from detector_service.compile.pipeline.scaling import Scaling
from detector_service.compile.run import run_graph
from detector_service.domain import Refusal, Unfit
from detector_service.features import SourceColumn

MAX_FEATURES = 1_000  # or twice the raw columns, where they are more
MAX_TEXT_BYTES = 2**20  # of all categories as the manifest spells them, which names each up to three times
_FEATURES = "features"


@dataclass(frozen=True)
class Pipeline:
    """columns: the model's features as users know them, in order. scaling: of numbers, then of the days of dates."""

    columns: tuple[SourceColumn, ...]
    filling: Filling
    scaling: Scaling
    categories: tuple[Categories, ...]

    @classmethod
    def fit(cls, columns: Sequence[SourceColumn], rows: Rows) -> "Pipeline":
        """rows: raw training rows, in whose two parts the columns are in order. Raises Unfit naming a column."""
        numeric = [(position, column) for position, column in enumerate(columns) if not column.is_text]
        filling = Filling.fit(numeric, rows.numeric)
        scaling = _fit_scaling(filling, rows)
        texts = [(position, column) for position, column in enumerate(columns) if column.is_text]
        categories = tuple(
            Categories.fit(position, column, [] if rows.text is None else rows.text[:, number].tolist())
            for number, (position, column) in enumerate(texts)
        )
        pipeline = cls(tuple(columns), filling, scaling, categories)
        _check_width(pipeline)
        _check_texts(pipeline)
        return pipeline

    @classmethod
    def joined(cls, columns: Sequence[SourceColumn], own: Sequence["Pipeline"]) -> "Pipeline":
        """Of numbers and dates alone, from the pipeline of each by itself, in order. Raises Unfit."""
        medians = np.concatenate([each.filling.medians for each in own])
        flagged = tuple(number for number, each in enumerate(own) if each.filling.flagged)
        filling = Filling(tuple(enumerate(columns)), medians, flagged)
        numbers, dates = _split(filling)
        scaling = Scaling(tuple(own[position].scaling.scales[0] for position, _ in (*numbers, *dates)))
        pipeline = cls(tuple(columns), filling, scaling, ())
        _check_width(pipeline)
        return pipeline

    @property
    def is_empty(self) -> bool:
        """Whether the features are the raw columns."""
        return self.add(self.graph()).value == INPUT

    @property
    def feature_names(self) -> list[str]:
        """Of the features, in order."""
        return [feature.name for feature in self.add(self.graph()).features]

    @property
    def inputs(self) -> tuple[InputColumn, ...]:
        """What each raw column may hold, for the manifest."""
        known = {found.position: tuple(sorted(found.categories)) for found in self.categories}
        return tuple(
            InputColumn(
                name=column.name,
                type=column.type,
                accepts_missing=column.missing != "reject",
                categories=known.get(position, ()),
                accepts_unknown=column.is_text and column.unknown == "other",
            )
            for position, column in enumerate(self.columns)
        )

    def graph(self) -> Graph:
        """An empty graph that takes these columns."""
        return Graph(len(self.filling.columns), len(self.categories))

    def add(self, graph: Graph) -> Block:
        """Add the nodes from the graph's inputs to the features."""
        filled, blocks = self.filling.add(graph)
        numbers, dates = _split(self.filling)
        if numbers or dates:
            values = self.scaling.add(graph, _add_values(graph, self.filling, filled))
            names = [Feature(position, 0, column.name) for position, column in numbers]
            days = [Feature(position, 0, f"{column.name} days") for position, column in dates]
            blocks.insert(0, Block(values, names + days))
        if dates:
            blocks += add_parts(graph, _dates(graph, self.filling, filled), dates)
        blocks += [found.add(graph, number) for number, found in enumerate(self.categories)]
        together = add_together(graph, blocks)
        if together.value != INPUT:
            graph.needs_bytes_per_row(16 * len(together.features))
        return together

    def features(self, rows: Rows) -> FloatMatrix:
        """The features of raw rows, float64 (n_rows, n_features)."""
        if self.is_empty:
            return rows.numeric
        graph = self.graph()
        found = self.add(graph)
        return _run(graph, found.value, len(found.features), rows)

    def describe(self) -> dict[str, Any]:
        """For the manifest: what became of each raw column, and the features' names in order; nothing if empty."""
        if self.is_empty:
            return {}
        about = {
            **{column.name: _about_numbers(column, median) for column, median in self.filling.stand_ins()},
            **{found.column.name: found.describe() for found in self.categories},
        }
        return {"columns": {column.name: about[column.name] for column in self.columns}, "features": self.feature_names}


def _about_numbers(column: SourceColumn, median: float) -> dict[str, Any]:
    about = {"type": column.type, "missing": column.missing, "scaling": _scaled(column).scaling}
    return about if column.missing == "reject" else {**about, "stands_in": median}


def _split(filling: Filling) -> tuple[list[tuple[int, SourceColumn]], list[tuple[int, SourceColumn]]]:
    """Numbers, and dates."""
    columns = filling.columns
    return [own for own in columns if not own[1].is_date], [own for own in columns if own[1].is_date]


def _add_values(graph: Graph, filling: Filling, filled: str) -> str:
    """What is scaled: numbers, then days, (n_rows, n_numeric)."""
    n_numeric = len(filling.columns)
    numbers = [number for number, (_, column) in enumerate(filling.columns) if not column.is_date]
    if len(numbers) == n_numeric:
        return filled
    days = add_days(graph, _dates(graph, filling, filled))
    return graph.add("Concat", graph.take_columns(filled, numbers, n_numeric), days, axis=1) if numbers else days


def _dates(graph: Graph, filling: Filling, filled: str) -> str:
    chosen = [number for number, (_, column) in enumerate(filling.columns) if column.is_date]
    return graph.take_columns(filled, chosen, len(filling.columns))


def _scaled(column: SourceColumn) -> SourceColumn:
    """Booleans stay 0 and 1."""
    return replace(column, scaling="none") if column.type == "boolean" else column


def _fit_scaling(filling: Filling, rows: Rows) -> Scaling:
    numbers, dates = _split(filling)
    columns = [_scaled(column) for _, column in (*numbers, *dates)]
    if all(column.scaling == "none" for column in columns):
        return Scaling.fit(columns, rows.numeric)
    graph = Graph(len(columns))
    values = _add_values(graph, filling, filling.add(graph)[0])
    numeric = Rows(rows.numeric)
    return Scaling.fit(columns, rows.numeric if values == INPUT else _run(graph, values, len(columns), numeric))


def _run(graph: Graph, value: str, n_columns: int, rows: Rows) -> FloatMatrix:
    graph.add_named((_FEATURES,), "Identity", value)
    found: FloatMatrix = run_graph(graph.model({_FEATURES: TensorProto.DOUBLE}, n_columns), rows)[_FEATURES]
    return found


def _check_width(pipeline: Pipeline) -> None:
    features = pipeline.add(pipeline.graph()).features
    most = max(MAX_FEATURES, 2 * len(pipeline.columns))
    if len(features) <= most:
        return
    position, n_own = Counter(feature.column for feature in features).most_common(1)[0]
    name = pipeline.columns[position].name
    message = (
        f"the columns make {len(features):,} features, {n_own:,} of them column {name!r}; at most {most:,} are taken: "
        "lower preprocessing.max_categories, set categories to frequency, or leave columns out"
    )
    raise Unfit(Refusal(name, n_own, message))


def _check_texts(pipeline: Pipeline) -> None:
    sizes = {found.column.name: len(json.dumps(found.categories)) for found in pipeline.categories}
    if (total := sum(sizes.values())) <= MAX_TEXT_BYTES:
        return
    name = max(sizes, key=sizes.__getitem__)
    message = (
        f"the columns' different texts have {total:,} bytes as a model spells them, {sizes[name]:,} of them column "
        f"{name!r}; at most {MAX_TEXT_BYTES:,} are taken: group the texts, or leave columns out"
    )
    raise Unfit(Refusal(name, sizes[name], message))
