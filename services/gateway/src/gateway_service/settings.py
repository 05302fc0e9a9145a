"""The gateway's settings."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AnyHttpUrl, Field
from pynomaly_chassis.settings import MIB, RELOADABLE, ServiceSettings
from pynomaly_contracts.routes import PORTS, Service

GIB = 1024 * MIB


class Settings(ServiceSettings):
    """Where the other services are, and what passes through."""

    service_name: str = "gateway"
    port: int = PORTS[Service.GATEWAY]
    dataset_service_url: AnyHttpUrl = AnyHttpUrl(f"http://127.0.0.1:{PORTS[Service.DATASET]}")
    detector_service_url: AnyHttpUrl = AnyHttpUrl(f"http://127.0.0.1:{PORTS[Service.DETECTOR]}")
    model_service_url: AnyHttpUrl = AnyHttpUrl(f"http://127.0.0.1:{PORTS[Service.MODEL]}")
    max_upload_size: Annotated[int, RELOADABLE, Field(ge=1, description="Bytes of a body that passes.")] = 2 * GIB
    streaming_enabled: Annotated[
        bool, RELOADABLE, Field(description="Whether WebSockets pass, where the flag was not switched at run time.")
    ] = True
    max_stream_message_bytes: Annotated[int, Field(ge=1024, description="Of one message of a WebSocket.")] = 4 * MIB
    max_concurrent_requests: Annotated[int, Field(ge=1, le=100_000, description="Most only wait for others.")] = 1024

    @property
    def service_urls(self) -> Mapping[Service, str]:
        """Base address of each service behind the door, without a slash at its end."""
        return {
            Service.DATASET: str(self.dataset_service_url).rstrip("/"),
            Service.DETECTOR: str(self.detector_service_url).rstrip("/"),
            Service.MODEL: str(self.model_service_url).rstrip("/"),
        }
