"""Object storage: a local folder, S3, GCS or Azure, behind obstore."""

import asyncio
import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import obstore
from obstore.store import AzureStore, GCSStore, LocalStore, ObjectStore, S3Store

from pynomaly_chassis.problems import ProblemError
from pynomaly_chassis.settings import StorageSettings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config  # of the stubs alone

RemoteStore = S3Store | GCSStore | AzureStore
"""What is no local folder."""

# Bucket tries again, under a budget; the client library's own tries would multiply with its.
_ONCE: "RetryConfig" = {"max_retries": 0}
# Whoever asks knows how long to wait. The client library would break off every body after 30 s, however it flows.
_PATIENT: "ClientConfig" = {"timeout": timedelta(hours=1)}
# A quota and a file-size limit are full disks too, for whoever meets them.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_UNFINISHED = re.compile(r".+#\d+")


class StorageFull(ProblemError):
    """There is no room for the bytes."""

    status, type, title = 507, "/problems/storage-full", "Storage is full"


@contextmanager
def room_needed() -> Iterator[None]:
    """Raises StorageFull where the block met a full disk; other errors pass."""
    try:
        yield
    except Exception as error:
        if _os_error(error) not in _FULL:
            raise
        raise StorageFull("there is no room left to store this; free some space, then send it again") from error


def open_store(settings: StorageSettings) -> ObjectStore:
    """The store of the settings. Object keys begin with the tenant."""
    if settings.storage_type == "local":
        assert settings.storage_path is not None  # noqa: S101 - StorageSettings checks it
        settings.storage_path.mkdir(parents=True, exist_ok=True)
        return LocalStore(settings.storage_path)
    assert settings.bucket is not None  # noqa: S101 - StorageSettings checks it
    return open_bucket(settings, settings.storage_type, settings.bucket)


def open_bucket(settings: StorageSettings, kind: Literal["s3", "gcs", "azure"], bucket: str) -> RemoteStore:
    """A bucket, this service's own or another, by the credentials and the endpoint that this service has."""
    if kind == "s3":
        return _s3(settings, bucket)
    if kind == "gcs":
        return GCSStore(bucket, client_options=_PATIENT, retry_config=_ONCE)
    return AzureStore(bucket, client_options=_PATIENT, retry_config=_ONCE)


def _s3(settings: StorageSettings, bucket: str) -> S3Store:
    """What is not said is left to the environment, as AWS's own tools read it."""
    config: S3Config = {}
    if settings.aws_region:
        config["region"] = settings.aws_region
    if settings.aws_endpoint_url:
        config["endpoint"] = settings.aws_endpoint_url
    if settings.aws_access_key_id and settings.aws_secret_access_key:
        config["access_key_id"] = settings.aws_access_key_id.get_secret_value()
        config["secret_access_key"] = settings.aws_secret_access_key.get_secret_value()
    client_options: ClientConfig = {**_PATIENT, "allow_http": settings.aws_allow_http}
    return S3Store(bucket, config=config, client_options=client_options, retry_config=_ONCE)


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


def move_durably(source: Path, target: Path) -> None:
    """Bytes first, then their name, each on the disk before the next step: a row is only for bytes that are whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    sync_to_disk(source)
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _move_to_other_disk(source, target)
    sync_to_disk(target.parent)


async def remove_unfinished(store: ObjectStore, kind: str, before: datetime) -> None:
    """Remove what killed writes to `<tenant>/<kind>` of a local store left, if last written before that moment.

    Its names end in #1, #2, …: no listing of the store shows them.
    """
    if isinstance(store, LocalStore):
        await asyncio.to_thread(_remove_unfinished, Path(str(store.prefix)), kind, before.timestamp())


def _remove_unfinished(folder: Path, kind: str, before_s: float) -> None:
    found = [path for path in folder.glob(f"*/{kind}/*#*") if _UNFINISHED.fullmatch(path.name)]
    for path in found:
        try:
            if path.stat().st_mtime < before_s:
                path.unlink()
        except FileNotFoundError:
            continue  # another replica sweeps too


def _move_to_other_disk(source: Path, target: Path) -> None:
    unfinished = target.with_name(f"{target.name}#1")
    try:
        shutil.copyfile(source, unfinished)
        sync_to_disk(unfinished)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    source.unlink()


def _sync_object(path: Path) -> None:
    sync_to_disk(path)
    sync_to_disk(path.parent)


def _os_error(error: Exception) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _OS_ERROR.search(str(error))  # libraries in Rust keep the number in their message alone
    return int(found[1]) if found else None
