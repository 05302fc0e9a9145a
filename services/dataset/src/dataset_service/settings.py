"""Settings of the dataset service."""

import json
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Self

from pydantic import Field, FilePath, SecretStr, model_validator
from pydantic_settings import BaseSettings
from pynomaly_chassis.settings import RELOADABLE, ServiceSettings, StorageSettings, Words

GIB = 1024**3
_SCHEMES = ("s3://", "gs://", "az://")
_OWN = {"s3": "s3://", "gcs": "gs://", "azure": "az://", "local": ""}


class ImportSettings(BaseSettings):
    """What imports may reach, and how they run. Nothing may be reached until it is named here."""

    import_allowed_hosts: Words = Field(default=(), description="Of https: data.example.com, *.example.com, host:8443.")
    import_allowed_buckets: Words = Field(default=(), description="s3://bucket, gs://bucket/prefix, az://container.")
    import_allowed_networks: Words = Field(
        default=(), description="Networks that are not public, which an allowed host may be in: 10.1.0.0/16."
    )
    import_connections: SecretStr = Field(
        default=SecretStr("{}"), description='Databases by name, in JSON: {"warehouse": "postgresql://..."}.'
    )
    import_ca_file: FilePath | None = Field(default=None, description="Authorities to trust in place of the system's.")
    import_timeout_s: Annotated[float, Field(gt=0, le=86_400, description="Longest reading of one source.")] = 3600
    import_idle_timeout_s: Annotated[float, Field(gt=0, le=3600, description="Longest silence of a source.")] = 60
    import_concurrency: Annotated[int, Field(ge=0, le=16, description="Imports at once in this process; 0: none.")] = 1
    import_lease_s: Annotated[float, Field(ge=0.5, le=600, description="How long a killed process keeps its own.")] = 15
    max_queued_jobs_per_tenant: Annotated[int, RELOADABLE, Field(ge=1, le=1_000_000)] = 1000
    import_poll_s: Annotated[float, Field(ge=0.05, le=60, description="How long a lost notification is missed.")] = 5

    @property
    def import_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(ip_network(text) for text in self.import_allowed_networks)

    @property
    def import_urls(self) -> dict[str, SecretStr]:
        """Connections by name."""
        return {name: SecretStr(url) for name, url in json.loads(self.import_connections.get_secret_value()).items()}

    @model_validator(mode="after")
    def _sources_are_readable(self) -> Self:
        """On the whole and not per field: what is wrong with a secret must not show it."""
        strange = next((text for text in self.import_allowed_buckets if not text.startswith(_SCHEMES)), None)
        if strange is not None:
            raise ValueError(f"IMPORT_ALLOWED_BUCKETS: {strange!r} does not begin with s3://, gs:// or az://")
        try:
            _ = self.import_networks
        except ValueError as error:
            raise ValueError(f"IMPORT_ALLOWED_NETWORKS: {error}") from error
        _check_connections(self.import_connections)
        return self


def _check_connections(connections: SecretStr) -> None:
    try:
        urls = json.loads(connections.get_secret_value())
    except ValueError:
        urls = None
    if not isinstance(urls, dict) or not all(isinstance(url, str) for url in urls.values()):
        raise ValueError('IMPORT_CONNECTIONS: is no JSON object such as {"warehouse": "postgresql://..."}') from None
    for name, url in urls.items():
        if not url.startswith(("postgresql://", "postgresql+")):
            raise ValueError(f"IMPORT_CONNECTIONS: {name!r} is no postgresql://user:password@host/database")


class Settings(ServiceSettings, StorageSettings, ImportSettings):
    """Read from the environment; constructed by app.py and __main__.py alone."""

    service_name: str = "dataset"
    port: Annotated[int, Field(ge=0, le=65535)] = 8001

    max_upload_size: Annotated[int, RELOADABLE, Field(ge=1, description="Bytes of an upload's body.")] = 2 * GIB
    max_expanded_size: Annotated[
        int, RELOADABLE, Field(ge=1, description="Bytes of a compressed upload's content.")
    ] = 10 * GIB
    max_columns: Annotated[int, RELOADABLE, Field(ge=1, le=100_000, description="Columns of a data set.")] = 10_000
    upload_idle_timeout_s: Annotated[
        float, RELOADABLE, Field(gt=0, le=3600, description="Longest silence in an upload.")
    ] = 60
    conversion_concurrency: Annotated[int, Field(ge=1, le=64, description="CPU-bound tasks at once.")] = 2
    spool_path: Path | None = Field(default=None, description="Folder of files in the making.")
    presigned_downloads: bool | None = Field(
        default=None,
        description="Whether downloads go to the object storage itself; by default where AWS_ENDPOINT_URL is not set.",
    )
    presigned_url_s: Annotated[int, Field(ge=1, le=604_800, description="How long such a link holds.")] = 900

    @property
    def signs_downloads(self) -> bool:
        """A server of one's own is often reached from inside alone, where callers' links would lead nowhere."""
        if self.storage_type == "local":
            return False
        return self.presigned_downloads if self.presigned_downloads is not None else self.aws_endpoint_url is None

    @model_validator(mode="after")
    def _own_bucket_stays_closed(self) -> Self:
        """A tenant who could import from it could read every other tenant's rows."""
        own = f"{_OWN[self.storage_type]}{self.bucket}"
        if self.bucket and any(f"{text}/".startswith(f"{own}/") for text in self.import_allowed_buckets):
            raise ValueError(f"IMPORT_ALLOWED_BUCKETS: {own} keeps the data sets themselves, of every tenant")
        return self

    @property
    def local_folder(self) -> Path | None:
        """Where the objects are files, their folder."""
        return self.storage_path if self.storage_type == "local" else None

    @property
    def spool_folder(self) -> Path:
        """By default on the local store's own disk, so that a finished file is moved there and not copied."""
        default = self.local_folder / ".spool" if self.local_folder else Path(gettempdir()) / "pynomaly-dataset-spool"
        return self.spool_path or default
