"""Settings of the detector service and of its worker."""

import tempfile
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, AliasChoices, Field, FilePath
from pydantic_settings import BaseSettings, SettingsConfigDict
from pynomaly_chassis.settings import RELOADABLE, ServiceSettings, StorageSettings


def _is_there(path: Path) -> Path:
    if not path.exists():
        raise ValueError("there is no such file or folder")
    return path


class Settings(ServiceSettings):
    """What the API reads from the environment."""

    service_name: str = "detector"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    dataset_service_url: str = "http://127.0.0.1:8001"
    model_service_url: str = "http://127.0.0.1:8002"
    ensemble_enabled: Annotated[
        bool,
        RELOADABLE,
        Field(description="Whether Combination and FeatureBagging train, where the flag was not switched at run time."),
    ] = True
    job_time_limit_s: Annotated[float, Field(ge=1, le=30 * 86400, description="Of one try at a job.")] = 86400.0
    max_queued_jobs_per_tenant: Annotated[int, RELOADABLE, Field(ge=1, le=1_000_000)] = 1000


class KeySettings(BaseSettings):
    """Where `make-key` writes the pair that signs models; the worker reads both, the model service the public half."""

    signing_key_path: Path
    trusted_keys_path: Annotated[Path, Field(description="A folder; the public key is its signing.pub.pem.")]


class WorkerSettings(Settings, StorageSettings):
    """What the worker reads. DATABASE_URL is its own role's; storage keeps artefacts until they are registered."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True, populate_by_name=True)

    service_name: str = "detector-worker"
    port: Annotated[int, Field(ge=0, le=65535, validation_alias="WORKER_PORT")] = 8010
    signing_key_path: FilePath
    trusted_keys_path: Annotated[Path, AfterValidator(_is_there)]
    workers: Annotated[
        int,
        Field(
            ge=1,
            le=64,
            validation_alias=AliasChoices("WORKERS", "JOB_CONCURRENCY"),
            description="How many jobs, each a process, it works on at a time.",
        ),
    ] = 1
    max_running_jobs_per_tenant: Annotated[int | None, Field(ge=1, description="Without: as many as there are.")] = None
    job_retention_days: Annotated[float, Field(gt=0, le=3650, description="How long an ended job is kept.")] = 30.0
    job_lease_s: Annotated[float, Field(ge=0.5, le=600)] = 15.0
    job_poll_s: Annotated[float, Field(ge=0.05, le=60, description="How long a lost notification goes unnoticed.")] = (
        1.0
    )
    detect_part_rows: Annotated[
        int, Field(ge=1, le=100_000_000, description="Rows of a batch whose scores outlive a killed worker together.")
    ] = 500_000
    job_memory_limit_mb: Annotated[int, Field(ge=16, le=1024 * 1024)] = 4096
    job_folder: Path = Field(default_factory=lambda: Path(tempfile.gettempdir()))
