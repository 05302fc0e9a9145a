"""Whole data sets as the Parquet files that they are: from the object storage itself where that can sign links."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from fastapi import Response
from pynomaly_chassis.bucket import StorageUnavailable
from pynomaly_chassis.conditional import is_there_already, range_of
from pynomaly_chassis.ids import utc_now
from pynomaly_contracts.datasets import DownloadLink
from pynomaly_contracts.media import JSON, PARQUET

from dataset_service.delivery import part_of, whole_of
from dataset_service.objects import ObjectFiles
from dataset_service.repository import DatasetRepository, StoredDataset


class Downloads:
    """lifetime: how long a link holds; None: every byte goes through this service."""

    def __init__(self, repository: DatasetRepository, objects: ObjectFiles, lifetime: timedelta | None) -> None:
        self._repository, self._objects, self._lifetime = repository, objects, lifetime

    async def download(self, tenant_id: str, reference: str, version: str | None, asked: Mapping[str, str]) -> Response:
        """The file, or a link to it (307; 200 for who accepts JSON alone). asked: the request's headers."""
        async with self._repository.transaction() as tx:
            stored = await tx.find_version(tenant_id, reference, version)
        if self._lifetime is None:
            return await self._file(stored, asked)
        return await self._link(stored, self._lifetime, asked.get("accept", "*/*"))

    async def _link(self, stored: StoredDataset, lifetime: timedelta, accept: str) -> Response:
        expires_at = utc_now() + lifetime
        url = await self._objects.link(stored.object_key, lifetime)
        link = DownloadLink(url=url, expires_at=expires_at, media_type=PARQUET, n_rows=stored.dataset.n_rows)
        headers = {"cache-control": "no-store", "vary": "accept"}
        if accept.partition(";")[0].strip().lower() == JSON:
            return Response(link.model_dump_json(), headers=headers, media_type=JSON)
        return Response(link.model_dump_json(), 307, {**headers, "location": url}, JSON)

    async def _file(self, stored: StoredDataset, asked: Mapping[str, str]) -> Response:
        dataset, etag = stored.dataset, f'"{stored.object_key.rpartition("/")[2]}"'
        disposition = f'attachment; filename="{dataset.name}.parquet"'
        headers = {"content-disposition": disposition, "etag": etag, "accept-ranges": "bytes"}
        if is_there_already(asked, etag):
            return Response(status_code=304, headers=headers)
        try:
            async with self._objects.opened(stored.object_key) as path:
                file = await asyncio.to_thread(path.open, "rb")  # it stays readable when its name is gone
        except FileNotFoundError as error:
            raise StorageUnavailable("the bytes are not where they should be; try again", retry_after_s=5) from error
        part = range_of(asked, etag)
        return whole_of(file, headers, PARQUET) if part is None else part_of(file, part, headers, PARQUET)
