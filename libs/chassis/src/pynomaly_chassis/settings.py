"""Settings that every service has, from the unprefixed environment, validated at start."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pynomaly_chassis.reading import RELOADABLE, load_settings

__all__ = ["MIB", "RELOADABLE", "ServiceSettings", "StorageSettings", "Words", "load_settings"]
MIB = 1024 * 1024
MIN_TOKEN_CHARS = 32


def _words(given: object) -> object:
    if not isinstance(given, str):
        return given
    if given.lstrip().startswith("["):
        return json.loads(given)
    return tuple(word.strip() for word in given.split(",") if word.strip())


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
"""A comma list, or a list in JSON."""
Megabytes = Annotated[int, Field(ge=1, le=4096)]


class ServiceSettings(BaseSettings):
    """The common settings; a service adds its own in its settings.py. Names are promised to users."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    service_name: str = Field(description="What it calls itself in its log and its answers.")
    app_version: str = Field(default="0.1.0", description="What it says of its version.")
    app_label_version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,63}$")] = Field(
        default="", description="The `version` label of the pod, which answers tell."
    )
    environment: str = Field(default="development", description="Shown in /status.")
    host: str = Field(default="127.0.0.1", description="The address that it listens on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(description="The port that it listens on; 0: any free one.")
    config_dir: Path | None = Field(
        default=None, description="A folder with a file per setting, NAME, read again when the settings are."
    )
    admin_token: Annotated[
        SecretStr | None, RELOADABLE, Field(description="What opens /api/v1/admin: 32 characters or more.")
    ] = None

    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], RELOADABLE] = Field(
        default="INFO", description="The least that is logged."
    )
    log_format: Literal["json", "console"] = Field(default="json", description="For programs, or for people.")
    prometheus_enabled: bool = Field(
        default=True,
        validation_alias=AliasChoices("prometheus_enabled", "enable_metrics"),
        description="Whether /metrics answers.",
    )

    cors_enabled: bool = Field(default=False, description="Whether pages of CORS_ORIGINS may call the API.")
    cors_origins: Words = Field(
        default=(),
        validation_alias=AliasChoices("cors_origins", "cors_allowed_origins"),
        description="Origins, such as https://app.example.com: a comma list, or JSON.",
    )
    cors_allow_methods: Words = ("GET", "POST", "PUT", "PATCH", "DELETE")
    cors_allow_headers: Words = ("*",)
    cors_allow_credentials: bool = False

    database_url: SecretStr = Field(
        description="postgresql://user:password@host:port/database of the role that serves."
    )
    database_host: str | None = Field(default=None, description="In place of DATABASE_URL: its parts.")
    database_port: Annotated[int, Field(ge=1, le=65535)] = 5432
    database_name: str | None = None
    database_user: str | None = None
    database_password: SecretStr | None = None
    migration_database_url: SecretStr | None = Field(default=None, description="Of the role that owns the schema.")
    database_pool_size: Annotated[int, Field(ge=1, le=200, description="Connections that are kept.")] = 5
    database_max_overflow: Annotated[int, Field(ge=0, le=200, description="More of them, under load.")] = 10
    database_pool_timeout: Annotated[float, Field(gt=0, le=60, description="Seconds to wait for one.")] = 5.0
    database_pool_recycle: Annotated[int, Field(ge=1, description="Seconds that a connection lives.")] = 1800

    max_request_size_mb: Annotated[Megabytes, RELOADABLE] = Field(default=64, description="MiB of a request's body.")
    max_concurrent_requests: Annotated[int, Field(ge=1, le=100_000, description="Requests worked on at once.")] = 256
    max_queue_wait_s: Annotated[float, Field(gt=0, le=60, description="What would wait longer is refused.")] = 0.2
    shutdown_grace_s: Annotated[int, Field(ge=0, le=600, description="Seconds for what is in flight at the end.")] = 20

    @model_validator(mode="before")
    @classmethod
    def _url_of_parts(cls, given: dict[str, Any]) -> dict[str, Any]:
        if "database_host" not in given or "database_url" in given:
            return given
        return given | {"database_url": _database_url(given)}

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

    @field_validator("admin_token")
    @classmethod
    def _is_long(cls, token: SecretStr | None) -> SecretStr | None:
        said = "" if token is None else token.get_secret_value()
        if token is not None and (len(said) < MIN_TOKEN_CHARS or not said.isascii() or not said.isprintable()):
            raise ValueError(f"must be {MIN_TOKEN_CHARS} printable ASCII characters or more; `openssl rand -hex 32`")
        return token

    @model_validator(mode="after")
    def _credentials_have_origins(self) -> Self:
        if self.cors_enabled and not self.cors_origins:
            raise ValueError("CORS_ORIGINS is needed where CORS_ENABLED is true: whose pages may call")
        if self.cors_enabled and self.cors_allow_credentials and "*" in self.cors_origins:
            raise ValueError("CORS_ORIGINS cannot be * where CORS_ALLOW_CREDENTIALS is true: name the origins")
        return self

    @property
    def served_by(self) -> str:
        """What answers say of who gave them; APP_LABEL_VERSION is the `version` label of a pod."""
        label = f"+{self.app_label_version}" if self.app_label_version else ""
        return f"{self.service_name}/{self.app_version}{label}"

    @property
    def max_request_bytes(self) -> int:
        return self.max_request_size_mb * MIB


def _database_url(parts: Mapping[str, Any]) -> str:
    missing = [part for part in ("name", "user", "password") if f"database_{part}" not in parts]
    if missing:
        raise ValueError(f"DATABASE_HOST needs {', '.join(f'DATABASE_{part.upper()}' for part in missing)} beside it")
    user, password = (quote(str(parts[f"database_{part}"]), safe="") for part in ("user", "password"))
    port = parts.get("database_port", 5432)
    return f"postgresql://{user}:{password}@{parts['database_host']}:{port}/{parts['database_name']}"


class StorageSettings(BaseSettings):
    """Where bytes live; mixed into the settings of services that keep some.

    What an AWS setting leaves open is looked up as AWS's own tools do: environment, web identity, instance metadata.
    """

    storage_type: Literal["local", "s3", "gcs", "azure"] = Field(default="local", description="What keeps the bytes.")
    storage_path: Path | None = Field(default=None, description="Folder of the local store.")
    storage_bucket: str | None = Field(default=None, description="The bucket or container.")
    aws_s3_bucket: str | None = Field(default=None, description="The same, by its older name.")
    aws_region: str | None = None
    aws_endpoint_url: str | None = Field(default=None, description="An S3 server that is not Amazon's.")
    aws_access_key_id: SecretStr | None = None
    aws_secret_access_key: SecretStr | None = None
    aws_allow_http: bool = Field(default=False, description="Whether that server may be asked without TLS.")

    @property
    def bucket(self) -> str | None:
        return self.storage_bucket or self.aws_s3_bucket

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if self.storage_type == "local" and self.storage_path is None:
            raise ValueError("STORAGE_PATH is needed where STORAGE_TYPE is local: the folder that keeps the bytes")
        if self.storage_type != "local" and self.bucket is None:
            raise ValueError(f"STORAGE_BUCKET is needed where STORAGE_TYPE is {self.storage_type}")
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            raise ValueError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set together or not at all")
        if (self.aws_endpoint_url or "").startswith("http://") and not self.aws_allow_http:
            raise ValueError("AWS_ENDPOINT_URL is without TLS: make it https://, or set AWS_ALLOW_HTTP=true")
        return self
