"""The form of an entry, and the ranges that several of them share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Cost = Literal["low", "medium", "high"]
Schema = dict[str, Any]

FRACTION: Schema = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
SHARE: Schema = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
POSITIVE: Schema = {"type": "number", "exclusiveMinimum": 0}
SWITCH: Schema = {"type": "boolean"}
NEIGHBOURS: Schema = {"type": "integer", "minimum": 1, "maximum": 1000}


def count(maximum: int, minimum: int = 1) -> Schema:
    """An integer in minimum..maximum."""
    return {"type": "integer", "minimum": minimum, "maximum": maximum}


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What the catalogue says of one algorithm; the defaults of `parameters` are PyOD's own.

    good_at: the data that it suits. fit_cost, score_cost: classes of what one core takes, with the defaults, for 7,200
    rows of 6 columns: to fit, low below 0.1 s, high from 1 s on; per row scored, low below 5 us, high from 100 us on.
    parameters: JSON Schema of each parameter on offer, with its meaning in one line as description.
    left_out: PyOD's other parameters. server_side: those of them that the server sets, and to what.
    extra: of the distribution, which must be installed for it.
    batch_only: why rows alone have no score; completes "it scores a batch against itself: it ...". Such a batch has at
    most max_rows and max_features; instead: what comes nearest online.
    """

    name: str
    title: str
    description: str
    paper: str
    implementation: str
    fit_cost: Cost
    score_cost: Cost
    parameters: Mapping[str, Schema] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()
    server_side: Mapping[str, Any] = field(default_factory=dict)
    good_at: str = ""
    extra: str | None = None
    batch_only: str | None = None
    max_rows: int | None = None
    max_features: int | None = None
    instead: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """A detector of PyOD that is not on offer, why, and what to use instead."""

    name: str
    kind: Literal["torch", "not_offered"]
    reason: str
    instead: tuple[str, ...]
