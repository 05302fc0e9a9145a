"""What a quality report plots: histograms, most frequent values, and features that say nearly the same."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pynomaly_contracts.datasets import CorrelatedPair, Histogram, ValueCount

N_BINS = 20
N_TOP = 5
MAX_TOP_CHARS = 80
HIGH_CORRELATION = 0.95
MAX_CORRELATED_ROWS = 100_000
MAX_CORRELATED_COLUMNS = 500
MAX_PAIRS = 100

FloatMatrix = NDArray[np.float64]


def histogram(cells: pl.Series) -> Histogram | None:
    """Of the finite values of a numeric column, in 20 bins of equal width; None where there are none."""
    values = cells.cast(pl.Float64).drop_nulls().to_numpy()
    finite = values[np.isfinite(values)]
    if not finite.size:
        return None
    low, high = float(finite.min()), float(finite.max())
    edges = np.linspace(low, high, N_BINS + 1) if np.isfinite(high - low) else np.array([low, high])
    if len(edges) == 2 or not (np.diff(edges) > 0).all():  # too far apart or too close for float64 to divide
        return Histogram(edges=[low, high], counts=[int(finite.size)])
    counts, _ = np.histogram(finite, edges)
    return Histogram(edges=edges.tolist(), counts=counts.tolist())


def top_values(cells: pl.Series) -> list[ValueCount]:
    """The most frequent values, ties in their own order."""
    name = cells.name
    counts = cells.drop_nulls().value_counts(name="n_rows").sort(["n_rows", name], descending=[True, False]).head(N_TOP)
    texts = counts[name].cast(pl.String).str.slice(0, MAX_TOP_CHARS)
    return [ValueCount(value=value, n_rows=n) for value, n in zip(texts, counts["n_rows"], strict=True)]


def correlated(path: Path, names: Sequence[str], n_rows: int) -> list[CorrelatedPair]:
    """Pairs of the first 500 numeric columns whose correlation is above 0.95, of evenly spread rows."""
    chosen = list(names[:MAX_CORRELATED_COLUMNS])
    if len(chosen) < 2:
        return []
    step = max(1, n_rows // MAX_CORRELATED_ROWS)
    rows = pl.scan_parquet(path, glob=False).select(pl.col(chosen).cast(pl.Float64)).gather_every(step).collect()
    found = correlations(rows.to_numpy())
    pairs = np.argwhere(np.triu(np.abs(found) > HIGH_CORRELATION, k=1))
    strongest = np.argsort(-np.abs(found[tuple(pairs.T)]), kind="stable")[:MAX_PAIRS]
    return [
        CorrelatedPair(first=chosen[first], second=chosen[second], correlation=float(found[first, second]))
        for first, second in pairs[strongest]
    ]


def correlations(values: FloatMatrix) -> FloatMatrix:
    """Pearson's correlation of each pair of columns over the rows that have both, about the columns' means.

    values: (n_rows, n_columns); what is not finite is missing. Returns (n_columns, n_columns); 0 where undefined.
    """
    present = np.isfinite(values)
    n_present = np.maximum(present.sum(axis=0), 1)
    with np.errstate(all="ignore"):
        filled = np.where(present, values, 0.0)
        scale = np.maximum(np.abs(filled).max(axis=0, initial=0.0), np.finfo(float).tiny)
        filled /= scale  # squares of what float64 holds stay in it
        centred = np.where(present, filled - filled.sum(axis=0) / n_present, 0.0)
        shared = present.astype(np.float64)
        norms = np.sqrt((centred**2).T @ shared) * np.sqrt(shared.T @ centred**2)
        found: FloatMatrix = np.divide(centred.T @ centred, norms)
    return np.clip(np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0), -1.0, 1.0)
