"""Rows that came from the suite, in the form that the caller likes."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, overload

from pynomaly_contracts import media

from pynomaly.errors import InvalidInput, PynomalyError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import polars as pl

RowFormat = Literal["ndjson", "csv", "arrow", "parquet"]
MEDIA: Mapping[RowFormat, str] = {
    "ndjson": media.NDJSON,
    "csv": media.CSV,
    "arrow": media.ARROW_STREAM,
    "parquet": media.PARQUET,
}


@dataclass(frozen=True)
class Rows(Sequence[dict[str, Any]]):
    """A table's rows in file order, as they came over the wire; read as dicts (NDJSON), or converted.

    raw: the answer's bytes in `format`.
    """

    raw: bytes
    format: RowFormat = "ndjson"

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.to_dicts())

    def __len__(self) -> int:
        return len(self.to_dicts())

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, place: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        return self.to_dicts()[place]

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dict per row; a missing value is None. NDJSON and Arrow keep the types of the columns."""
        if self.format == "ndjson":
            return [json.loads(line) for line in self.raw.splitlines() if line]
        rows: list[dict[str, Any]] = self.to_polars().to_dicts()
        return rows

    def to_numpy(self) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """(n_rows, n_columns) float64 in column order; a missing value is NaN. Raises InvalidInput for text."""
        numpy = import_optional("numpy")
        rows = self.to_dicts()
        try:
            cells = [[numpy.nan if value is None else float(value) for value in row.values()] for row in rows]
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"columns: not all are numbers ({error}); name the numeric ones in columns=") from error
        array: np.ndarray[Any, np.dtype[np.float64]] = numpy.asarray(cells, dtype=numpy.float64)
        return array

    def to_polars(self) -> "pl.DataFrame":
        """A Polars frame."""
        polars = import_optional("polars")
        readers = {
            "ndjson": lambda stream: polars.read_ndjson(stream, infer_schema_length=None),
            "csv": lambda stream: polars.read_csv(stream, infer_schema_length=None),
            "arrow": polars.read_ipc_stream,
            "parquet": polars.read_parquet,
        }
        frame: pl.DataFrame = readers[self.format](io.BytesIO(self.raw))
        return frame

    def to_pandas(self) -> "pd.DataFrame":
        """A pandas frame."""
        pandas = import_optional("pandas")
        is_csv = self.format == "csv"
        frame: pd.DataFrame = pandas.read_csv(io.BytesIO(self.raw)) if is_csv else pandas.DataFrame(self.to_dicts())
        return frame


def import_optional(name: str, *, extra: str | None = None) -> Any:
    """A library that the SDK works without. Raises PynomalyError naming the extra (its own name's) that brings it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise PynomalyError(f"this needs {name}: pip install 'pynomaly-client[{extra or name}]'") from error
