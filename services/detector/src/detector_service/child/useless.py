"""Columns that a training cannot learn from, though it may be asked to."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from detector_service.child.rows import read_blocks
from detector_service.domain import N_NAMED


def column_warnings(path: Path, names: Sequence[str]) -> list[str]:
    """In words, of columns without any value and of those with one value only.

    Rows are read until every column has been seen to vary: of most data the first block.
    """
    seen: dict[str, set[Any]] = {name: set() for name in names}
    for block in read_blocks(path, []):
        undecided = [name for name, values in seen.items() if len(values) < 2]
        if not undecided:
            return []
        for name in undecided:
            seen[name] |= _ends(block.batch.column(name))
    empty = [name for name, values in seen.items() if not values]
    constant = [name for name, values in seen.items() if len(values) == 1]
    told = [(empty, "no row has a value in"), (constant, "all rows have the same value in")]
    return [f"{what} {_listed(found)}: nothing can be learned from that; leave it out" for found, what in told if found]


def _ends(values: pa.Array) -> set[Any]:
    """The lowest and the highest value, as Python has them; a missing number may be NaN."""
    if pa.types.is_floating(values.type):
        values = values.filter(pc.invert(pc.is_nan(values)))
    ends = pc.min_max(values).as_py()
    return {ends["min"], ends["max"]} - {None}


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - N_NAMED} more" if len(names) > N_NAMED else ""
    return ", ".join(map(repr, names[:N_NAMED])) + more
