"""Pure rules: how data is refused, and what a score is called."""

from collections.abc import Sequence
from typing import Any, NamedTuple

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


def score_columns(taken: Sequence[str]) -> dict[str, str]:
    """What each score is called beside the columns that are there: itself, or with prefixes until it is free."""
    names = {}
    for score in ("raw_score", "prediction", "is_anomaly"):
        name = score
        while name in taken:
            name = f"pynomaly_{name}"
        names[score] = name
    return names
