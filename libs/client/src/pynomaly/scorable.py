"""Rows that users hold, as the predict calls take them: numbers, texts and dates, each checked."""

import datetime as dt
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from pynomaly_contracts.predictions import Row

from pynomaly.errors import InvalidInput, shortened

# Dicts, lists, a NumPy array (n_rows, n_features), a Polars or a pandas frame.
ScorableRows: TypeAlias = Any
MOST_ROWS = 100_000
# Keeps a request near 10 MB, however wide the rows are.
MOST_CELLS = 500_000


def one_row(row: Any) -> Row:
    """A dict of feature to value, or a sequence of values in the model's order. Raises InvalidInput."""
    return _row(row, "data")


def many_rows(rows: ScorableRows) -> list[Row]:
    """Every row, in order. Raises InvalidInput naming row, feature and value of the first that cannot be scored."""
    cleaned = [_row(row, f"data[{place}]") for place, row in enumerate(_plain(rows))]
    if not cleaned:
        raise InvalidInput("data: there is no row to score")
    return cleaned


def chunks(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Runs of rows, each small enough for one request."""
    size = max(1, min(MOST_ROWS, MOST_CELLS // max(1, len(rows[0]))))
    for start in range(0, len(rows), size):
        yield list(rows[start : start + size])


def _plain(rows: ScorableRows) -> Iterable[Any]:
    pl, pd, np = (sys.modules.get(name) for name in ("polars", "pandas", "numpy"))
    if pl is not None and isinstance(rows, pl.DataFrame):
        named: Iterable[Any] = rows.iter_rows(named=True)
        return named
    if pd is not None and isinstance(rows, pd.DataFrame):
        records: list[Any] = rows.to_dict("records")
        return records
    if np is not None and isinstance(rows, np.ndarray):
        if rows.ndim != 2:
            raise InvalidInput(f"data: an array of shape {rows.shape}; (n_rows, n_features) is needed")
        listed: list[Any] = rows.tolist()
        return listed
    if isinstance(rows, Mapping) or not isinstance(rows, Iterable):
        raise InvalidInput(f"data: a {type(rows).__name__}; a list of rows is needed, even for one row")
    return rows


def _row(row: Any, field: str) -> Row:
    if isinstance(row, Mapping):
        return {str(name): _value(value, f"{field}.{name}") for name, value in row.items()}
    if isinstance(row, Iterable) and not isinstance(row, (str, bytes)):
        return [_value(value, f"{field}[{place}]") for place, value in enumerate(row)]
    raise InvalidInput(f"{field}: {shortened(repr(row))} is no row; give a dict of feature to value, or a list")


def _value(value: Any, field: str) -> float | str | None:
    """A number, a text, a date in ISO 8601; None where it is missing, as pandas, Polars and NumPy say that."""
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, str):
        return str(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if getattr(getattr(value, "dtype", None), "kind", "") == "M":
        return None if (text := str(value)) == "NaT" else text
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(f"{field}: {shortened(repr(value))} is no number, text or date") from error
    if math.isinf(number):
        raise InvalidInput(f"{field}: {shortened(repr(value))} cannot be scored; a finite number is needed")
    return None if math.isnan(number) else number
