"""Imports: data sets that the dataset service fetches itself, as jobs."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from pynomaly_contracts.base import Request, Resource
from pynomaly_contracts.jobs import JobState
from pynomaly_contracts.problems import Problem
from pynomaly_contracts.reading import ReadingWanted, UploadFields

SourceUrl = Annotated[
    str,
    StringConstraints(pattern=r"^(https|s3|gs|az)://[\x21-\x7e]+$", max_length=4096),
    Field(examples=["s3://readings/2026/january.parquet"]),
]
ConnectionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Query = Annotated[str, StringConstraints(min_length=1, max_length=100_000, pattern=r"^[^\x00]*$")]


class SqlSource(Request):
    """One query on a database that the operator has named."""

    connection: ConnectionName = Field(description="A name among the operator's.", examples=["warehouse"])
    query: Query = Field(description="One SELECT.", examples=["SELECT * FROM readings WHERE day >= '2026-01-01'"])


class ImportRequest(UploadFields):
    """Make a data set of a file elsewhere, or of a query. Exactly one of url and sql."""

    url: SourceUrl | None = Field(
        default=None, description="s3://bucket/key, gs://bucket/key, az://container/key or https://host/path."
    )
    sql: SqlSource | None = None

    @model_validator(mode="after")
    def _has_one_source(self) -> "ImportRequest":
        if (self.url is None) == (self.sql is None):
            raise ValueError("say where the rows come from: url or sql, one of them")
        said = [name for name in ReadingWanted.model_fields if getattr(self, name) is not None]
        if self.sql is not None and said:
            raise ValueError(f"{said[0]} is of files; a query's rows come typed")
        return self


class Import(Resource):
    """An import, whatever has become of it."""

    kind: Literal["import"] = "import"
    name: str = Field(description="Of the data set to be.")
    url: str | None = Field(default=None, description="Without its query, which may be a secret.")
    sql: SqlSource | None = None
    state: JobState
    stage: str = Field(description="What it is doing, in a word or two.", examples=["reading"])
    progress: float = Field(ge=0, le=1)
    n_bytes: int = Field(default=0, description="Bytes read so far.")
    total_bytes: int | None = Field(default=None, description="Bytes of the whole file, where its source says so.")
    n_rows: int | None = Field(default=None, description="Rows so far; null where they are not counted yet.")
    attempts: int = Field(description="How often it was begun.")
    dataset_id: UUID | None = Field(default=None, description="The data set, once it is there.")
    problem: Problem | None = Field(default=None, description="Why it failed.")
    started_at: datetime | None = None
    finished_at: datetime | None = None
