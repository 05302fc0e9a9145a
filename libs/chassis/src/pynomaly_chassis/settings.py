"""Settings that every service has, from the unprefixed environment, validated at start."""

import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024
Loaded = TypeVar("Loaded", bound=BaseSettings)


class ServiceSettings(BaseSettings):
    """The common settings; a service adds its own in its settings.py. Names are promised to users."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    service_name: str
    app_version: str = "0.1.0"
    environment: str = "development"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)]

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"

    database_url: SecretStr
    migration_database_url: SecretStr | None = None
    database_pool_size: Annotated[int, Field(ge=1, le=200)] = 5
    database_max_overflow: Annotated[int, Field(ge=0, le=200)] = 10
    database_pool_timeout: Annotated[float, Field(gt=0, le=60)] = 5.0
    database_pool_recycle: Annotated[int, Field(ge=1)] = 1800

    max_request_size_mb: Annotated[int, Field(ge=1, le=4096)] = 64
    shutdown_grace_s: Annotated[int, Field(ge=0, le=600)] = 20

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level

    @field_validator("database_url", "migration_database_url")
    @classmethod
    def _is_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith("postgresql://"):
            raise ValueError("must be postgresql://user:password@host:port/database")
        return url

    @property
    def max_request_bytes(self) -> int:
        return self.max_request_size_mb * MIB


class StorageSettings(BaseSettings):
    """Where bytes live; mixed into the settings of services that keep some."""

    storage_type: Literal["local", "s3", "gcs", "azure"] = "local"
    storage_path: Path | None = Field(default=None, description="Folder of the local store.")
    storage_bucket: str | None = None
    aws_s3_bucket: str | None = None
    aws_region: str | None = None

    @property
    def bucket(self) -> str | None:
        return self.storage_bucket or self.aws_s3_bucket

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if self.storage_type == "local" and self.storage_path is None:
            raise ValueError("STORAGE_PATH is needed where STORAGE_TYPE is local: the folder that keeps the bytes")
        if self.storage_type != "local" and self.bucket is None:
            raise ValueError(f"STORAGE_BUCKET is needed where STORAGE_TYPE is {self.storage_type}")
        return self


def load_settings(kind: type[Loaded]) -> Loaded:
    """Read the environment, or end the process with exit code 2 and a line per wrong setting."""
    try:
        return kind()
    except ValidationError as error:
        _refuse(error)


def _refuse(error: ValidationError) -> NoReturn:
    for wrong in error.errors(include_url=False, include_context=False):
        name = ".".join(str(part) for part in wrong["loc"]).upper() or "settings"
        secret = name.endswith(("URL", "PASSWORD", "KEY")) or wrong["type"] == "missing"
        given = "" if secret or not wrong["loc"] else f" (given: {wrong['input']!r})"
        print(f"{name}: {wrong['msg']}{given}", file=sys.stderr)  # noqa: T201 - logs are not set up yet
    raise SystemExit(2)
