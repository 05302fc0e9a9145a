"""The columns of a model's rows, as users send them, and what each of them may hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from pynomaly_scoring.errors import ManifestInvalid
from pynomaly_scoring.strict_json import take

ColumnType = Literal["number", "integer", "boolean", "date", "datetime", "string"]
_TYPES = frozenset(get_args(ColumnType))


@dataclass(frozen=True, slots=True, kw_only=True)
class InputColumn:
    """One column. A string column is one of the graph's `text`, every other one of its `numeric`, in this order.

    As numbers: a boolean is 0 or 1; a date or datetime is seconds since 1970-01-01T00:00:00Z.
    accepts_missing: a row may lack a value (NaN, or "" in text). categories: of a string column, those that the
    training data had, unique and not empty. accepts_unknown: other strings are scored, as "other".
    Raises ManifestInvalid.
    """

    name: str
    type: ColumnType = "number"
    accepts_missing: bool = False
    categories: tuple[str, ...] = ()
    accepts_unknown: bool = False

    def __post_init__(self) -> None:
        if not self.name or self.type not in _TYPES:
            raise ManifestInvalid("manifest-value", f"column {self.name!r} has an unknown type {self.type!r}")
        if self.is_text != bool(self.categories) or len(set(self.categories)) != len(self.categories):
            raise ManifestInvalid("manifest-value", f"column {self.name!r}: a string column has categories, each once")

    @property
    def is_text(self) -> bool:
        """Whether the graph takes it as text."""
        return self.type == "string"

    @classmethod
    def from_object(cls, value: object) -> Self:
        """The column in a parsed JSON object. Raises ValueError on a wrong shape, ManifestInvalid."""
        flags: Mapping[str, Any] = {name: take(value, name, bool) for name in ("accepts_missing", "accepts_unknown")}
        categories = take(value, "categories", list)
        if not all(type(category) is str for category in categories):
            raise ValueError("categories must hold strings")
        kind: Any = take(value, "type", str)
        return cls(name=take(value, "name", str), type=kind, categories=tuple(categories), **flags)
