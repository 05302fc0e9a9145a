"""Pure rules: which columns a model uses, and what a score is called."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pynomaly_contracts.datasets import Column

NUMERIC = frozenset({"integer", "number"})
N_NAMED = 20  # columns that a refusal lists


class Refusal(NamedTuple):
    """One thing that is wrong: the field or column, what it is, and what would be right."""

    field: str
    value: Any
    message: str


class Unfit(ValueError):
    """The data does not fit; `refusals` (at least one) say why."""

    def __init__(self, *refusals: Refusal) -> None:
        super().__init__("; ".join(refusal.message for refusal in refusals))
        self.refusals = refusals


def check_finite(values: NDArray[np.float64], names: Sequence[str], *, first_row: int = 1) -> None:
    """Raises Unfit naming the column and the first row of a value that is missing or infinite.

    values: (n_rows, n_columns); names: one per column; first_row: the number of the first row.
    """
    finite = np.isfinite(values)
    if finite.all():
        return
    row, column = np.argwhere(~finite)[0]
    value, name = float(values[row, column]), names[column]
    what = "a missing value" if np.isnan(value) else "an infinite value"
    message = f"column {name!r} has {what}, first in row {first_row + row}; fill it, or leave out the row or the column"
    raise Unfit(Refusal(name, None if np.isnan(value) else str(value), message))


def choose_features(
    columns: Sequence[Column], target: str | None, wanted: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The columns that a model uses, and those that it ignores, the target among them.

    Without `wanted`, every numeric column but the target. Raises Unfit naming each wanted column that is unknown, not
    numeric or the target, or where there is no numeric column.
    """
    features = list(wanted) or [column.name for column in columns if column.type in NUMERIC and column.name != target]
    if not features:
        beside = "" if target is None else f" beside its target {target!r}"
        message = f"the data set has no numeric column{beside}; a model needs at least one"
        raise Unfit(Refusal("body.dataset_id", None, message))
    check_features(columns, features, forbidden=target)
    chosen = set(features)
    return features, [column.name for column in columns if column.name not in chosen]


def check_features(columns: Sequence[Column], features: Sequence[str], *, forbidden: str | None = None) -> None:
    """Raises Unfit naming each feature that is not a numeric column of the data, or is the forbidden one."""
    types: dict[str, str] = {column.name: column.type for column in columns}
    refusals = [
        Refusal("feature_columns", name, _fault(name, types, name == forbidden))
        for name in features
        if name == forbidden or types.get(name) not in NUMERIC
    ]
    if refusals:
        raise Unfit(*refusals)


def _fault(name: str, types: Mapping[str, str], is_target: bool) -> str:
    if name not in types:
        return f"the data set has no column {name!r}; it has {', '.join(list(types)[:N_NAMED])}"
    if is_target:
        return f"column {name!r} is the target; a model never learns from it"
    return f"column {name!r} holds {types[name]} values, not numbers"


def score_columns(taken: Sequence[str]) -> dict[str, str]:
    """What each score is called beside the columns that are there: itself, or with prefixes until it is free."""
    names = {}
    for score in ("raw_score", "prediction", "is_anomaly"):
        name = score
        while name in taken:
            name = f"pynomaly_{name}"
        names[score] = name
    return names
