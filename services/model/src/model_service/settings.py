"""What the environment says to the model service."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pynomaly_chassis.settings import MIB, RELOADABLE, ServiceSettings, StorageSettings


class Settings(ServiceSettings, StorageSettings):
    """Sizes in bytes."""

    service_name: str = "model"
    port: Annotated[int, Field(ge=0, le=65535)] = 8002

    grpc_port: Annotated[int, Field(ge=0, le=65535, description="Open Inference Protocol over gRPC; 0: none.")] = 8003

    trusted_keys_path: Path = Field(description="A PEM file, or a folder of *.pem: whose signatures are accepted.")
    max_artefact_size: Annotated[int, Field(ge=1)] = 256 * MIB
    model_cache_bytes: Annotated[int, Field(ge=1)] = 1024 * MIB
    model_refresh_s: Annotated[
        float, Field(gt=0, le=3600, description="How long an answer is not looked up again.")
    ] = 2.0
    model_resolve_timeout_s: Annotated[
        float, Field(gt=0, le=60, description="How long the database may take to say which version answers.")
    ] = 1.0
    max_detection_batch_size: Annotated[
        int, RELOADABLE, Field(ge=1, le=100_000, description="Rows of a request in JSON, CSV or tensors.")
    ] = 100_000
    max_table_rows: Annotated[int, RELOADABLE, Field(ge=1, description="Of a request in Arrow or Parquet.")] = (
        10_000_000
    )
    max_table_bytes: Annotated[int, RELOADABLE, Field(ge=1, description="Of a request in Arrow or Parquet.")] = (
        256 * MIB
    )
    streaming_enabled: Annotated[
        bool,
        RELOADABLE,
        Field(description="Whether WebSockets are taken, where the flag was not switched at run time."),
    ] = True
    max_streams: Annotated[
        int, RELOADABLE, Field(ge=0, le=100_000, description="WebSockets that are open at once.")
    ] = 1000
    max_stream_message_bytes: Annotated[int, Field(ge=1024, description="Of one message of a stream.")] = 4 * MIB
    stream_idle_s: Annotated[
        float, RELOADABLE, Field(gt=0, description="A stream without a message for so long is closed.")
    ] = 300
    scoring_threads: Annotated[int, Field(ge=1, le=256)] = os.cpu_count() or 1
    scoring_queue_size: Annotated[int, Field(ge=0, le=10_000, description="Scorings that may wait for a thread.")] = 32
    scoring_body_bytes: Annotated[int, Field(ge=1, description="Bodies that are held at once, together.")] = 256 * MIB
    body_stall_s: Annotated[float, Field(gt=0, description="A large body may stop for so long on its way.")] = 30
