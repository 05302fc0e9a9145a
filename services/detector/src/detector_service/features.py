"""Which columns a model uses, and what it makes of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pynomaly_contracts.datasets import Column, ColumnType
from pynomaly_contracts.detectors import Categories, Missing, Preprocessing, Scaling, Unknown

from detector_service.domain import N_NAMED, Refusal, Unfit
from detector_service.nearest import with_nearest

NUMBERS = frozenset({"integer", "number", "boolean"})
DATES = frozenset({"date", "datetime"})
TEXT = "string"
# A model's column to the columns of a data set that it takes; an integer is a number that happened to be whole.
_TAKES: Mapping[str, frozenset[str]] = {
    "number": frozenset({"integer", "number"}),
    "integer": frozenset({"integer", "number"}),
    "boolean": NUMBERS,
    "date": DATES,
    "datetime": DATES,
    TEXT: frozenset({TEXT}),
}


@dataclass(frozen=True, kw_only=True)
class SourceColumn:
    """A raw column and what becomes of it, as pynomaly_contracts.detectors.Preprocessing has it for this column."""

    name: str
    type: ColumnType = "number"
    missing: Missing = "reject"
    categories: Categories | None = None
    max_categories: int = 32
    unknown: Unknown = "other"
    scaling: Scaling = "none"

    @property
    def is_text(self) -> bool:
        """Whether the graph takes it as text."""
        return self.type == TEXT

    @property
    def is_date(self) -> bool:
        """Whether it is a point in time, in seconds since 1970."""
        return self.type in DATES


def source_columns(columns: Sequence[Column], wanted: Preprocessing) -> tuple[SourceColumn, ...]:
    """What `wanted` says of each column."""
    return tuple(_source(column, wanted) for column in columns)


def _source(column: Column, wanted: Preprocessing) -> SourceColumn:
    names = ("missing", "categories", "max_categories", "unknown", "scaling")
    settings: dict[str, Any] = {name: setting(wanted, column.name, name) for name in names}
    return SourceColumn(name=column.name, type=column.type, **settings)


def setting(wanted: Preprocessing, column: str, name: str) -> Any:
    """The column's own setting, else that of all."""
    own = wanted.columns.get(column)
    said = None if own is None else getattr(own, name)
    return getattr(wanted, name) if said is None else said


def choose_features(
    columns: Sequence[Column], target: str | None, wanted: Sequence[str], preprocessing: Preprocessing
) -> tuple[list[Column], list[str]]:
    """The columns that a model uses, and the names of those that it ignores, the target among them.

    Without `wanted`: numbers and booleans but for the target, and texts and dates where `preprocessing` says what to
    make of them. Raises Unfit naming each wanted column that is unknown, of a kind that `preprocessing` rejects, or
    the target; each that `preprocessing` names and the data lacks; or where no column is left.
    """
    by_name = {column.name: column for column in columns}
    names = list(wanted) or [
        column.name for column in columns if column.name != target and _is_used(column, preprocessing)
    ]
    if not names:
        raise Unfit(Refusal("body.dataset_id", None, _nothing_to_learn(target)))
    refusals = [_refusal(name, by_name, target, preprocessing) for name in names]
    refusals += [
        Refusal(f"preprocessing.columns.{name}", name, _absent(name, by_name))
        for name in preprocessing.columns
        if name not in by_name
    ]
    found = [refusal for refusal in refusals if refusal is not None]
    if found:
        raise Unfit(*with_nearest(found, by_name))
    used = set(names)
    return [by_name[name] for name in names], [name for name in by_name if name not in used]


def check_features(columns: Sequence[Column], features: Mapping[str, str]) -> None:
    """Raises Unfit naming each feature that the data lacks, or has as another type; features: name to type."""
    types = {column.name: column.type for column in columns}
    refusals = [
        Refusal("feature_columns", name, _absent(name, types) if name not in types else _other_type(name, types, kind))
        for name, kind in features.items()
        if types.get(name) not in _TAKES[kind]
    ]
    if refusals:
        raise Unfit(*with_nearest(refusals, types))


def check_names(columns: Sequence[Column], features: Sequence[str]) -> None:
    """Raises Unfit naming each feature that the data lacks."""
    types = {column.name: column.type for column in columns}
    refusals = [Refusal("feature_columns", name, _absent(name, types)) for name in features if name not in types]
    if refusals:
        raise Unfit(*with_nearest(refusals, types))


def _is_used(column: Column, preprocessing: Preprocessing) -> bool:
    """Whether a column is used that nobody named."""
    if column.type == TEXT:
        return setting(preprocessing, column.name, "categories") in ("onehot", "frequency")
    if column.type in DATES:
        return bool(setting(preprocessing, column.name, "dates") == "parts")
    return column.type in NUMBERS


def _refusal(name: str, columns: Mapping[str, Column], target: str | None, wanted: Preprocessing) -> Refusal | None:
    if name not in columns:
        return Refusal("feature_columns", name, _absent(name, columns))
    if name == target:
        return Refusal("feature_columns", name, f"column {name!r} is the target; a model never learns from it")
    kind = columns[name].type
    option, choices = ("categories", "onehot or frequency") if kind == TEXT else ("dates", "parts")
    if kind in NUMBERS or setting(wanted, name, option) != "reject":
        return None
    message = f"column {name!r} holds {kind} values, not numbers; set preprocessing.{option} to {choices}, or leave it"
    return Refusal("feature_columns", name, message)


def _absent(name: str, columns: Mapping[str, Any]) -> str:
    return f"the data set has no column {name!r}; it has {', '.join(islice(columns, N_NAMED))}"


def _other_type(name: str, types: Mapping[str, str], expected: str) -> str:
    return f"column {name!r} holds {types[name]} values; the model learned from {expected} values"


def _nothing_to_learn(target: str | None) -> str:
    beside = "" if target is None else f" beside its target {target!r}"
    return (
        f"the data set has no numeric column{beside}; a model needs at least one, or say what to make of texts and "
        "dates with preprocessing.categories and preprocessing.dates"
    )
