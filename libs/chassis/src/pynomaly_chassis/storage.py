"""Object storage: a local folder, S3, GCS or Azure, behind obstore."""

import asyncio
import os
from pathlib import Path

import obstore
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store

from pynomaly_chassis.settings import StorageSettings


def open_store(settings: StorageSettings) -> ObjectStore:
    """The store of the settings. Object keys begin with the tenant."""
    if settings.storage_type == "local":
        assert settings.storage_path is not None  # noqa: S101 - StorageSettings checks it
        settings.storage_path.mkdir(parents=True, exist_ok=True)
        return LocalStore(settings.storage_path)
    if settings.storage_type == "s3":
        return S3Store(settings.bucket, region=settings.aws_region) if settings.aws_region else S3Store(settings.bucket)
    if settings.storage_type == "gcs":
        return GCSStore(settings.bucket)
    return AzureStore(settings.bucket)


async def put_exclusive(store: ObjectStore, key: str, content: bytes) -> None:
    """Write bytes that must not be there yet, whole or not at all; on the disk before this returns."""
    await obstore.put_async(store, key, content, mode="create")
    if isinstance(store, LocalStore):
        await asyncio.to_thread(_sync_object, Path(str(store.prefix)) / key)


def sync_to_disk(path: Path) -> None:
    """Wait until the file's bytes, or the folder's names, outlive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_object(path: Path) -> None:
    sync_to_disk(path)
    sync_to_disk(path.parent)
