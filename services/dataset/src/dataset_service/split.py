"""A stored table's rows, drawn: samples and disjoint parts."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pynomaly_chassis.problems import Invalid
from pynomaly_chassis.storage import room_needed
from pynomaly_contracts.datasets import Dataset, SplitRequest

from dataset_service.domain import IntVector, assign_in_order, assign_parts
from dataset_service.parquet import block_rows, write_table

MAX_CLASSES = 1_000


@dataclass(frozen=True)
class Part:
    """One part's file."""

    n_rows: int
    sha256: str
    size_bytes: int


def sample(path: Path, dataset: Dataset, n_rows: int, seed: int) -> pl.DataFrame:
    """n_rows different rows, or all where there are fewer, in file order. The same seed draws the same rows."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(dataset.n_rows, size=min(n_rows, dataset.n_rows), replace=False, shuffle=False)
    mark = _free_name(dataset)
    rows = pl.scan_parquet(path, glob=False, row_index_name=mark)
    kept = rows.filter(pl.col(mark).is_in(np.sort(chosen).tolist()))
    return kept.drop(mark).collect(engine="streaming")


def split(source: Path, dataset: Dataset, wanted: SplitRequest, targets: Mapping[str, Path]) -> dict[str, Part]:
    """Write each part, in file order, to its file. Raises Invalid (422), StorageFull (507)."""
    parts = _parts(source, dataset, wanted)
    counts = np.bincount(parts, minlength=len(targets))
    for name, count in zip(targets, counts, strict=True):
        if count == 0:
            message = f"part {name!r} would have no rows; the data set has {dataset.n_rows}"
            raise Invalid.field(f"body.fractions.{name}", wanted.fractions[name], message)
    with room_needed():
        for position, target in enumerate(targets.values()):
            _write_part(source, dataset, parts == position, target)
        return {name: _part(path, int(count)) for (name, path), count in zip(targets.items(), counts, strict=True)}


def _parts(source: Path, dataset: Dataset, wanted: SplitRequest) -> IntVector:
    fractions = list(wanted.fractions.values())
    if wanted.order_by is None:
        return assign_parts(_classes(source, dataset, wanted.stratify_by), fractions, wanted.seed)
    ranks = _ranks(source, dataset, wanted.order_by, "body.order_by")
    if 0 in ranks:
        message = f"row {int(np.argmin(ranks)) + 1} has no value in it; every row needs its place in the order"
        raise Invalid.field("body.order_by", wanted.order_by, message)
    return assign_in_order(ranks, fractions)


def _write_part(source: Path, dataset: Dataset, chosen: np.ndarray[Any, np.dtype[np.bool_]], target: Path) -> None:
    mark = _free_name(dataset)
    marks = pl.LazyFrame({mark: chosen})
    rows = pl.concat([pl.scan_parquet(source, glob=False), marks], how="horizontal").filter(mark).drop(mark)
    write_table(rows, target, group_rows=block_rows(len(dataset.columns), dataset.n_rows, dataset.size_bytes))


def _part(path: Path, n_rows: int) -> Part:
    with path.open("rb") as file:
        return Part(n_rows, hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


def _classes(path: Path, dataset: Dataset, column: str | None) -> IntVector:
    """A number per row, equal where the column's values are; missing values are a class of their own."""
    if column is None:
        return np.zeros(dataset.n_rows, dtype=np.int64)
    classes = _ranks(path, dataset, column, "body.stratify_by")
    n_classes = len(np.unique(classes))
    if n_classes > MAX_CLASSES:
        message = f"has {n_classes} different values; choose a column with at most {MAX_CLASSES}"
        raise Invalid.field("body.stratify_by", column, message)
    return classes


def _ranks(path: Path, dataset: Dataset, column: str, field: str) -> IntVector:
    """The dense rank of each row's value, from 1; 0 where it is missing. Raises Invalid on an unknown column."""
    if column not in {known.name for known in dataset.columns}:
        raise Invalid.field(field, column, f"data set {dataset.name!r} has no column {column!r}")
    cells = pl.scan_parquet(path, glob=False).select(pl.col(column).rank("dense").fill_null(0)).collect()
    ranks: IntVector = cells.to_series().to_numpy().astype(np.int64)
    return ranks


def _free_name(dataset: Dataset) -> str:
    """A column name that the table does not have."""
    return "_" + max((column.name for column in dataset.columns), key=len)
