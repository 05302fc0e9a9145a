"""Data sets: `client.datasets`."""

import io
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from uuid import UUID

from pynomaly_contracts.base import Page
from pynomaly_contracts.datasets import (
    Dataset,
    DatasetUpdate,
    DatasetVersion,
    DatasetVersions,
    QualityReport,
    SampleRows,
    Split,
    SplitRequest,
    VersionMode,
)
from pynomaly_contracts.imports import Import, ImportRequest
from pynomaly_contracts.jobs import JobState

from pynomaly.core.blocking import Blocking, blocking, iterating
from pynomaly.core.call import Call, Query, an, delete, exactly, get, nothing, path_of, payload, send, text_of
from pynomaly.core.paging import every
from pynomaly.core.session import Session
from pynomaly.files import replaced
from pynomaly.imports import AsyncImportHandle, importing, name_in
from pynomaly.rows import MEDIA, RowFormat, Rows
from pynomaly.tables import Table, uploaded

Ref = str | UUID
LONG_ANSWER_S = 600.0


class AsyncDatasets:
    """Upload, look at, cut and read tables. A data set is named by its id or its name."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def upload(
        self,
        /,
        table: Table,
        name: str | None = None,
        *,
        target_column: str | None = None,
        description: str | None = None,
        columns: Sequence[str] | None = None,
        **reading: str | bool,
    ) -> Dataset:
        """Store a table: a path to a file, bytes, a binary file, dicts, a NumPy array, a Polars or pandas frame.

        A file is CSV, NDJSON, JSON, Parquet, Arrow or Excel, plain or as gzip or zstd; it is streamed from disk, never
        held in memory. columns: names for an array's. Without `name` the file's is used. reading: how to read it where
        it is not found out right: format, delimiter, decimal, header, encoding, null_words, sheet.
        Raises InvalidInput, Conflict (the name is taken), ValidationFailed, TooLarge.
        """
        fields = {"name": name, "description": description, "target_column": target_column, **_said(reading)}
        with uploaded(table, columns, fields) as upload:
            path = path_of(["datasets", "upload"])
            return await self._session.send(
                Call("POST", path, an(Dataset), upload=upload, creates=True, timeout_s=LONG_ANSWER_S)
            )

    async def import_(
        self,
        /,
        url: str | None = None,
        name: str | None = None,
        *,
        query: str | None = None,
        connection: str | None = None,
        target_column: str | None = None,
        description: str | None = None,
        **reading: str | bool,
    ) -> AsyncImportHandle:
        """Let the suite fetch a file from s3://, gs://, az:// or https://, or the rows of one SELECT.

        query, connection: of a database that the operator has named. reading: as for `upload`. Without `name` the
        file's is used. Raises NotAllowed where the operator has not allowed the source, InvalidInput, Conflict.
        """
        sql = None if query is None and connection is None else {"connection": connection, "query": query}
        said = {"description": description, "target_column": target_column, **_said(reading)}
        body = payload(ImportRequest, name=name or name_in(url), url=url, sql=sql, **said)
        call = send("POST", an(Import), "datasets", "imports", payload=body, creates=True)
        return AsyncImportHandle(self._session, (await self._session.send(call)).id)

    async def imported(self, import_id: Ref) -> AsyncImportHandle:
        """A handle of an import that was started elsewhere. Raises NotFound."""
        handle = AsyncImportHandle(self._session, text_of(import_id))
        await handle.state()
        return handle

    async def imports(self, *, state: JobState | None = None) -> AsyncIterator[Import]:
        """Every import, newest first; pages are fetched as they are needed."""
        read = an(Page[Import])
        async for item in every(self._session, read, "datasets", "imports", query={"state": state}):
            yield item

    async def get(self, dataset: Ref, *, version: str | None = None) -> Dataset:
        """One data set, as its newest version has it or as `version` does. Raises NotFound."""
        return await self._session.send(get(an(Dataset), "datasets", dataset, query={"version": version}))

    async def add_version(
        self,
        /,
        dataset: Ref,
        table: Table,
        *,
        mode: VersionMode = "append",
        columns: Sequence[str] | None = None,
        **reading: str | bool,
    ) -> DatasetVersion:
        """The next version: the table's rows after those that there are, or instead of them (mode="replace").

        table, columns, reading: as for `upload`. Raises InvalidInput, NotFound, Conflict, ValidationFailed, TooLarge.
        """
        with uploaded(table, columns, {"mode": mode, **_said(reading)}, named=False) as upload:
            path = path_of(["datasets", dataset, "versions"])
            return await self._session.send(
                Call("POST", path, an(DatasetVersion), upload=upload, creates=True, timeout_s=LONG_ANSWER_S)
            )

    async def versions(self, dataset: Ref) -> Sequence[DatasetVersion]:
        """Every version, the newest first, each with what changed in it. Raises NotFound."""
        return (await self._session.send(get(an(DatasetVersions), "datasets", dataset, "versions"))).items

    async def update(self, /, dataset: Ref, **changes: str | None) -> Dataset:
        """Change its name, description or target_column; None takes the last two away. Raises NotFound, Conflict."""
        body = exactly(DatasetUpdate, changes)
        return await self._session.send(send("PATCH", an(Dataset), "datasets", dataset, payload=body))

    async def delete(self, dataset: Ref) -> None:
        """Remove it; running jobs end on the rows they have. Raises NotFound."""
        await self._session.send(delete("datasets", dataset))

    async def quality(self, dataset: Ref, *, version: str | None = None) -> QualityReport:
        """What its columns look like, and what to mind before training."""
        query = {"version": version}
        return await self._session.send(get(an(QualityReport), "datasets", dataset, "quality", query=query))

    async def sample(self, dataset: Ref, n: int = 10, *, seed: int = 0, version: str | None = None) -> SampleRows:
        """`n` rows drawn without replacement, in file order."""
        query = {"n": n, "seed": seed, "version": version}
        return await self._session.send(get(an(SampleRows), "datasets", dataset, "sample", query=query))

    async def split(
        self,
        dataset: Ref,
        fractions: Mapping[str, float],
        *,
        stratify_by: str | None = None,
        order_by: str | None = None,
        seed: int = 0,
    ) -> dict[str, Dataset]:
        """Disjoint parts by name, each a data set of its own. fractions: in (0, 1), together 1.

        stratify_by: keep this column's shares in every part. order_by: cut in its order, usually a time's.
        """
        body = payload(SplitRequest, fractions=fractions, stratify_by=stratify_by, order_by=order_by, seed=seed)
        call = send("POST", an(Split), "datasets", dataset, "split", payload=body, creates=True)
        return (await self._session.send(call)).parts

    async def rows(
        self,
        dataset: Ref,
        columns: Sequence[str] | None = None,
        *,
        filters: Sequence[str] = (),
        limit: int | None = None,
        offset: int | None = None,
        version: str | None = None,
        format: RowFormat = "ndjson",  # noqa: A002 - what users would call it
    ) -> Rows:
        """Rows in file order, in memory: as dicts, or `.to_numpy()`, `.to_polars()`, `.to_pandas()`.

        filters: comparisons that all hold, such as "age>=30", "city=Oslo" or "city!=" (it is there).
        format: how they travel; "arrow" is the fastest for `.to_polars()`.
        """
        into = io.BytesIO()
        query = {"columns": columns, "filter": filters, "limit": limit, "offset": offset, "version": version}
        await self._session.download(_rows(dataset, format, query), into)
        return Rows(into.getvalue(), format)

    async def download(
        self,
        dataset: Ref,
        to: str | os.PathLike[str],
        columns: Sequence[str] | None = None,
        *,
        version: str | None = None,
        format: RowFormat = "csv",  # noqa: A002 - what users would call it
    ) -> Path:
        """Write all rows to the file `to`, however many there are. The file appears whole or not at all.

        All columns as Parquet are the stored file, which comes from the object storage itself where that can be.
        """
        with replaced(Path(to)) as stream:
            if format == "parquet" and columns is None:
                path = path_of(["datasets", dataset, "download"])
                call = Call(
                    "GET", path, nothing, query={"version": version}, accept=MEDIA[format], timeout_s=LONG_ANSWER_S
                )
                await self._session.download(call, stream)
                return Path(to)
            await self._session.download(_rows(dataset, format, {"columns": columns, "version": version}), stream)
        return Path(to)

    async def list(self, *, name: str | None = None) -> AsyncIterator[Dataset]:
        """Every data set, newest first; pages are fetched as they are needed."""
        async for dataset in every(self._session, an(Page[Dataset]), "datasets", query={"name": name}):
            yield dataset


class Datasets(Blocking[AsyncDatasets]):
    """Upload, look at, cut and read tables. A data set is named by its id or its name."""

    upload = blocking(AsyncDatasets.upload)
    import_ = importing(AsyncDatasets.import_)
    imported = importing(AsyncDatasets.imported)
    imports = iterating(AsyncDatasets.imports)
    get = blocking(AsyncDatasets.get)
    add_version = blocking(AsyncDatasets.add_version)
    versions = blocking(AsyncDatasets.versions)
    update = blocking(AsyncDatasets.update)
    delete = blocking(AsyncDatasets.delete)
    quality = blocking(AsyncDatasets.quality)
    sample = blocking(AsyncDatasets.sample)
    split = blocking(AsyncDatasets.split)
    rows = blocking(AsyncDatasets.rows)
    download = blocking(AsyncDatasets.download)
    list = iterating(AsyncDatasets.list)


def _said(reading: Mapping[str, str | bool]) -> dict[str, str]:
    """Options as a form has them."""
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in reading.items()}


def _rows(dataset: Ref, wanted: RowFormat, query: Query) -> Call[None]:
    path = path_of(["datasets", dataset, "rows"])
    return Call("GET", path, nothing, query=query, accept=MEDIA[wanted], timeout_s=LONG_ANSWER_S)
