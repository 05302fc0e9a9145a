"""Objects of S3, Google Cloud Storage and Azure, by the credentials that the service itself has."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Literal

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from pynomaly_chassis.settings import StorageSettings
from pynomaly_chassis.storage import open_bucket

from dataset_service.errors import SourceRefused, SourceUnavailable
from dataset_service.imports.policy import ObjectAddress
from dataset_service.imports.sources import Opened, SourceLimits

if TYPE_CHECKING:
    from obstore import GetResult

PIECE_BYTES = 1024 * 1024
_KINDS: dict[str, Literal["s3", "gcs", "azure"]] = {"s3": "s3", "gs": "gcs", "az": "azure"}
_UNSURE = frozenset({"binary/octet-stream", "application/octet-stream"})  # what stores say who were told nothing


@asynccontextmanager
async def opened_object(
    address: ObjectAddress, settings: StorageSettings, limits: SourceLimits
) -> AsyncIterator[Opened]:
    """The object at the address. Raises SourceRefused, SourceUnavailable."""
    store = open_bucket(settings, _KINDS[address.scheme], address.bucket)
    with _translated(address):
        async with asyncio.timeout(limits.idle_timeout_s):
            found = await obstore.get_async(store, address.key)
    said = str(found.attributes.get("Content-Type", "")).partition(";")[0].strip().lower()
    yield Opened("" if said in _UNSURE else said, int(found.meta["size"]), _chunks(found, address))


async def _chunks(found: "GetResult", address: ObjectAddress) -> AsyncIterator[bytes]:
    with _translated(address):
        async for piece in found.stream(min_chunk_size=PIECE_BYTES):
            yield bytes(piece)


@contextmanager
def _translated(address: ObjectAddress) -> Iterator[None]:
    where = f"{address.scheme}://{address.bucket}"
    try:
        yield
    except (FileNotFoundError, NotFoundError) as error:
        raise SourceRefused(f"{where} has no object {address.key!r}") from error
    except (PermissionError, PermissionDeniedError, UnauthenticatedError) as error:
        raise SourceRefused(f"{where} may not be read with the credentials of this service") from error
    except (TimeoutError, BaseError, OSError) as error:
        raise SourceUnavailable(f"{where} does not answer, or broke off", retry_after_s=5) from error
