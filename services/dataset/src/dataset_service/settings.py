"""Settings of the dataset service."""

from pathlib import Path
from tempfile import gettempdir
from typing import Annotated

from pydantic import Field
from pynomaly_chassis.settings import ServiceSettings, StorageSettings

GIB = 1024**3


class Settings(ServiceSettings, StorageSettings):
    """Read from the environment; constructed by app.py and __main__.py alone."""

    service_name: str = "dataset"
    port: Annotated[int, Field(ge=0, le=65535)] = 8001

    max_upload_size: Annotated[int, Field(ge=1, description="Bytes of an upload's body.")] = 2 * GIB
    max_expanded_size: Annotated[int, Field(ge=1, description="Bytes of a compressed upload's content.")] = 10 * GIB
    max_columns: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    upload_idle_timeout_s: Annotated[float, Field(gt=0, le=3600, description="Longest silence in an upload.")] = 60
    conversion_concurrency: Annotated[int, Field(ge=1, le=64, description="CPU-bound tasks at once.")] = 2
    spool_path: Path | None = Field(default=None, description="Folder of files in the making.")

    @property
    def local_folder(self) -> Path | None:
        """Where the objects are files, their folder."""
        return self.storage_path if self.storage_type == "local" else None

    @property
    def spool_folder(self) -> Path:
        """By default on the local store's own disk, so that a finished file is moved there and not copied."""
        default = self.local_folder / ".spool" if self.local_folder else Path(gettempdir()) / "pynomaly-dataset-spool"
        return self.spool_path or default
