"""Data sets: the dataset service's payloads."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, model_validator

from pynomaly_contracts.base import Answer, ColumnName, Description, Request, Resource, ResourceName, Seed

ColumnType = Literal["integer", "number", "boolean", "string", "date", "datetime"]
FileFormat = Literal["csv", "ndjson", "json", "parquet", "arrow", "excel"]
Compression = Literal["gzip", "zstd"]
Delimiter = Literal[",", ";", "\t", "|"]
DecimalMark = Literal[".", ","]


class SourceFile(Answer):
    """How an uploaded file was read. What concerns CSV alone is null elsewhere."""

    format: FileFormat
    compression: Compression | None = None
    delimiter: Delimiter | None = None
    decimal: DecimalMark | None = None
    header: bool | None = Field(default=None, description="Whether the first line names the columns.")
    encoding: str | None = Field(default=None, examples=["utf-8"])
    null_words: list[str] | None = Field(default=None, description="What stands for a missing value, in any case.")
    sheet: str | None = Field(default=None, description="Of an Excel file.")
    origin: str | None = Field(
        default=None,
        description="Of an import: the address without its query, or sql: and the connection's name.",
        examples=["s3://readings/2026/january.parquet", "sql:warehouse"],
    )


class Column(Answer):
    """A column as it is stored."""

    name: str
    type: ColumnType


class Dataset(Resource):
    """A stored table, as its newest version has it. A version's rows never change."""

    name: str
    description: str | None = None
    version: str = Field(examples=["1"])
    n_rows: int
    n_features: int = Field(description="Numeric columns that are not the target.")
    feature_columns: list[str] = Field(description="The numeric columns that are not the target, in file order.")
    columns: list[Column]
    target_column: str | None = None
    sha256: str = Field(description="Of the uploaded bytes, hexadecimal.")
    size_bytes: int = Field(description="Of the uploaded bytes.")
    source_dataset_id: UUID | None = Field(default=None, description="What it was split from, if it was.")
    source: SourceFile | None = Field(default=None, description="How the uploaded file was read.")


VersionMode = Literal["append", "replace"]


class VersionChanges(Answer):
    """What a version has that the one before had not."""

    n_rows: int = Field(description="More rows than before; negative where they are fewer.")
    added_columns: list[str]
    removed_columns: list[str]
    retyped_columns: list[str] = Field(description="Those whose type is another.")


class DatasetVersion(Answer):
    """An immutable state of a data set."""

    dataset_id: UUID
    version: str = Field(examples=["2"])
    n_rows: int
    columns: list[Column]
    sha256: str = Field(description="Of the uploaded bytes, hexadecimal.")
    size_bytes: int = Field(description="Of the uploaded bytes.")
    made_by: VersionMode | None = Field(default=None, description="null: it is the first one.")
    source: SourceFile | None = None
    changes: VersionChanges | None = Field(default=None, description="Against the version before.")
    created_at: datetime


class DatasetVersions(Answer):
    """Every version, the newest first."""

    items: list[DatasetVersion]


class DownloadLink(Answer):
    """Where the rows can be fetched from the object storage itself, by whoever has this link."""

    url: str
    expires_at: datetime
    media_type: str
    n_rows: int


class DatasetUpdate(Request):
    """What to change; what is left out stays. The rows never change."""

    name: ResourceName | None = None
    description: Description | None = Field(default=None, description="null removes it.")
    target_column: ColumnName | None = Field(default=None, description="null says that no column holds labels.")

    @model_validator(mode="after")
    def _changes_something(self) -> "DatasetUpdate":
        if not self.model_fields_set:
            raise ValueError("say what to change: name, description or target_column")
        if "name" in self.model_fields_set and self.name is None:
            raise ValueError("a data set needs a name; leave it out to keep the one it has")
        return self


class Histogram(Answer):
    """How often values fall between edges: counts[i] in [edges[i], edges[i + 1]), the last one with its end."""

    edges: list[float]
    counts: list[int]


class ValueCount(Answer):
    """A value, as text, and how many rows have it."""

    value: str
    n_rows: int


class CorrelatedPair(Answer):
    """Two features that say nearly the same."""

    first: str
    second: str
    correlation: float = Field(ge=-1, le=1, description="Pearson's, of at most 100,000 rows.")


class ColumnQuality(Answer):
    """One column of a quality report. Figures of order and moments are of numeric columns only."""

    name: str
    type: ColumnType
    n_missing: int
    n_distinct: int
    is_constant: bool
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    std: float | None = Field(default=None, description="Sample standard deviation (n - 1).")
    quantiles: dict[str, float] | None = Field(default=None, examples=[{"0.25": 1.0, "0.5": 2.0, "0.75": 3.0}])
    n_outside_3_sigma: int | None = None
    histogram: Histogram | None = Field(default=None, description="Of the finite values.")
    top_values: list[ValueCount] = Field(default=[], description="The most frequent, of columns that are no features.")


class QualityReport(Answer):
    """What a data set looks like, and what to mind before training on it."""

    dataset_id: UUID
    n_rows: int
    n_duplicate_rows: int
    n_missing: int
    columns: list[ColumnQuality]
    target_column: str | None = None
    target_counts: dict[str, int] | None = Field(default=None, examples=[{"0": 3679, "1": 93}])
    correlated: list[CorrelatedPair] = Field(default=[], description="Above 0.95 either way, the strongest first.")
    warnings: list[str] = Field(description="In words, each naming its column.")


class SampleRows(Answer):
    """A few rows in file order."""

    dataset_id: UUID
    n_rows: int
    rows: list[dict[str, Any]]


class SplitRequest(Request):
    """Cut a data set into disjoint parts that together are the whole."""

    fractions: dict[ResourceName, Annotated[float, Field(gt=0, lt=1)]] = Field(
        min_length=2, max_length=16, examples=[{"train": 0.7, "test": 0.3}]
    )
    stratify_by: ColumnName | None = Field(
        default=None, description="Keep this column's shares in every part; usually the target."
    )
    order_by: ColumnName | None = Field(
        default=None, description="Cut in the order of this column, usually a time: the first part has the earliest."
    )
    seed: Seed = 0

    @model_validator(mode="after")
    def _one_way_to_cut(self) -> "SplitRequest":
        if self.order_by is not None and self.stratify_by is not None:
            raise ValueError("order_by and stratify_by exclude each other; a cut in time keeps no shares")
        return self

    @model_validator(mode="after")
    def _fractions_make_one(self) -> "SplitRequest":
        total = sum(self.fractions.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"fractions must sum to 1, these sum to {total:g}")
        return self


class Split(Answer):
    """The parts, named '<data set>-<part>'."""

    parts: dict[str, Dataset]
