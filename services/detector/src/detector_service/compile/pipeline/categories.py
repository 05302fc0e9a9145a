"""Texts as numbers: a feature for each category, or how frequent the category was."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from detector_service.compile.family import FloatMatrix
from detector_service.compile.graph import ML_DOMAIN, TEXT, Graph
from detector_service.compile.pipeline.blocks import Block, Feature
from detector_service.compile.pipeline.filling import LAST_PLACE, all_missing, missing_value
from detector_service.domain import Refusal, Unfit
from detector_service.features import SourceColumn

MAX_CATEGORIES = 10_000
MAX_BYTES = 2**20  # of a column's categories together: they travel in the manifest
MISSING = ""


@dataclass(frozen=True)
class Categories:
    """categories: those of the training rows, the most frequent first, ties by name. counts: their rows, of n_train.

    flagged: a feature says where the text was missing.
    """

    position: int
    column: SourceColumn
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    n_train: int
    flagged: bool

    @classmethod
    def fit(cls, position: int, column: SourceColumn, texts: list[str]) -> "Categories":
        """texts: of the training rows. Raises Unfit where one is missing that must not be, or they are too many."""
        counts = Counter(texts)
        n_missing = counts.pop(MISSING, 0)
        if n_missing and column.missing == "reject":
            raise missing_value(column.name, texts.index(MISSING) + 1)
        if not counts:
            raise all_missing(column.name)
        _check_size(column.name, counts)
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        names, found = zip(*ordered, strict=True)
        return cls(position, column, names, found, len(texts), bool(n_missing) and column.missing == "indicator")

    @property
    def is_onehot(self) -> bool:
        """Whether each category has a feature; else they share one, their frequency."""
        chosen = self.column.categories or (
            "onehot" if len(self.categories) <= self.column.max_categories else "frequency"
        )
        return chosen == "onehot"

    @property
    def kept(self) -> tuple[str, ...]:
        """Categories that are told apart; others are as those that the training rows did not have.

        Where not all can have a feature, none of one row only has: names and notes, other in each row, say nothing.
        """
        most = self.column.max_categories
        if not self.is_onehot or len(self.categories) <= most:
            return self.categories
        return tuple(name for name, count in zip(self.categories[:most], self.counts, strict=False) if count > 1)

    @property
    def features(self) -> list[Feature]:
        """What becomes of the column."""
        name = self.column.name
        names = [f"{name}={kept}" for kept in (*self.kept, "other")] if self.is_onehot else [f"{name} frequency"]
        flag = [Feature(self.position, LAST_PLACE, f"{name} missing")] if self.flagged else []
        return [Feature(self.position, place, text) for place, text in enumerate(names)] + flag

    def describe(self) -> dict[str, Any]:
        """For the manifest."""
        about: dict[str, Any] = {
            "type": self.column.type,
            "missing": self.column.missing,
            "categories": "onehot" if self.is_onehot else "frequency",
            "unknown": self.column.unknown,
        }
        return about if self.column.missing == "reject" else {**about, "stands_in": self.categories[0]}

    def add(self, graph: Graph, number: int) -> Block:
        """The features; number: of the column among `text`. A missing text counts as the most frequent one."""
        n_kept = len(self.kept)
        texts = graph.add("Gather", TEXT, graph.constant(number, np.int64), axis=1)
        code = graph.add(
            "LabelEncoder",
            texts,
            domain=ML_DOMAIN,
            keys_strings=[*self.kept, MISSING],
            values_int64s=list(range(n_kept + 1)),
            default_int64=n_kept + 1,
        )
        return Block(graph.add("Gather", graph.constant(self._table()), code), self.features)

    def _table(self) -> FloatMatrix:
        """By code, the features: of each category that is kept, of a missing text, of any other."""
        n_kept = len(self.kept)
        if self.is_onehot:
            known = np.eye(n_kept + 1)
            table = np.vstack([known[:n_kept], known[:1], known[n_kept:]])
        else:
            shares = np.array(self.counts) / self.n_train
            table = np.concatenate([shares, shares[:1], [0.0]])[:, np.newaxis]
        if self.flagged:
            table = np.column_stack([table, np.arange(n_kept + 2) == n_kept])
        return table


def _check_size(name: str, counts: Counter[str]) -> None:
    n_bytes = sum(len(text.encode()) for text in counts)
    if len(counts) <= MAX_CATEGORIES and n_bytes <= MAX_BYTES:
        return
    message = (
        f"column {name!r} has {len(counts):,} different texts of {n_bytes:,} bytes; a model takes {MAX_CATEGORIES:,} "
        f"of {MAX_BYTES:,} bytes at most: leave it out of feature_columns, or group its texts"
    )
    raise Unfit(Refusal(name, len(counts), message))
