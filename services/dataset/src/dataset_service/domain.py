"""Pure rules: how a table is cut into parts, and what its quality report warns of."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pynomaly_contracts.datasets import ColumnQuality, QualityReport

IntVector = NDArray[np.int64]
FloatVector = NDArray[np.float64]

MANY_MISSING = 0.5
RARE, COMMON = 0.001, 0.5
MIN_ROWS_FOR_IDENTIFIERS = 20
MAX_WARNED_PAIRS = 20


def share_out(n_rows: int, fractions: FloatVector, rng: np.random.Generator) -> IntVector:
    """Rows per part, (n_parts,), summing to n_rows, each less than one row from its exact share.

    Largest remainder (Hamilton's method); equal remainders are ordered by `rng`.
    """
    exact = n_rows * fractions
    counts = np.floor(exact + 1e-9).astype(np.int64)  # 0.3 * 10 must not lose a row to rounding
    missing = n_rows - int(counts.sum())
    order = np.lexsort((rng.permutation(len(fractions)), -np.round(exact - counts, 9)))
    counts[order[:missing]] += 1
    return counts


def assign_parts(classes: IntVector, fractions: Sequence[float], seed: int) -> IntVector:
    """The part of each row, (n_rows,), drawn within each class so that every part has the class's share.

    classes: (n_rows,), any integers; all equal where there is nothing to stratify by. The same arguments always
    give the same parts.
    """
    rng = np.random.default_rng(seed)
    shares = np.asarray(fractions, dtype=np.float64)
    parts = np.empty(len(classes), dtype=np.int64)
    for label in np.unique(classes):
        rows = np.flatnonzero(classes == label)
        counts = share_out(len(rows), shares, rng)
        parts[rows] = rng.permutation(np.repeat(np.arange(len(shares)), counts))
    return parts


def assign_in_order(ranks: IntVector, fractions: Sequence[float]) -> IntVector:
    """The part of each row, (n_rows,): the first part has the lowest ranks, and so on.

    ranks: (n_rows,), any integers; rows of one rank go where the row order puts them.
    """
    counts = share_out(len(ranks), np.asarray(fractions, dtype=np.float64), np.random.default_rng(0))
    parts = np.empty(len(ranks), dtype=np.int64)
    parts[np.argsort(ranks, kind="stable")] = np.repeat(np.arange(len(counts)), counts)
    return parts


def column_warnings(column: ColumnQuality, n_rows: int, n_infinite: int, first_missing: int | None) -> list[str]:
    """What to mind about one column, in words."""
    found = []
    if column.n_missing == n_rows:
        found.append("is empty")
    elif column.is_constant:
        found.append("is constant: it cannot tell rows apart")
    if 0 < column.n_missing < n_rows:
        share = column.n_missing / n_rows
        much = "is mostly missing" if share > MANY_MISSING else "has missing values"
        found.append(f"{much}: {column.n_missing} of {n_rows} ({share:.1%}), the first in row {first_missing}")
    if n_infinite:
        found.append(f"has {n_infinite} infinite values, left out of its figures; training refuses them")
    if column.type in ("integer", "string") and column.n_distinct == n_rows >= MIN_ROWS_FOR_IDENTIFIERS:
        found.append("looks like an identifier: every row has its own value")
    return [f"column {column.name!r} {words}" for words in found]


def table_warnings(report: QualityReport) -> list[str]:
    """What to mind about the table as a whole, in words."""
    found = []
    if report.n_duplicate_rows:
        found.append(f"{report.n_duplicate_rows} of {report.n_rows} rows repeat an earlier row")
    numeric = [c for c in report.columns if c.type in ("integer", "number") and c.name != report.target_column]
    if not numeric:
        found.append("no numeric column besides the target: nothing to train on")
    if report.target_counts is not None:
        found += _target_warnings(report.target_column or "", report.target_counts)
    found += [
        f"columns {pair.first!r} and {pair.second!r} say nearly the same: their correlation is {pair.correlation:.3f}"
        for pair in report.correlated[:MAX_WARNED_PAIRS]
    ]
    return found


def _target_warnings(name: str, counts: dict[str, int]) -> list[str]:
    n_rows, n_anomalies = sum(counts.values()), counts.get("1", 0)
    if n_anomalies in (0, n_rows):
        return [f"target column {name!r} has one class only: nothing can be evaluated on it"]
    share = n_anomalies / n_rows
    if share > COMMON:
        return [
            f"target column {name!r} marks {share:.1%} of the rows as anomalies; are its labels the right way round?"
        ]
    if share < RARE:
        return [f"target column {name!r} is very imbalanced: {n_anomalies} anomalies in {n_rows} rows"]
    return []
