"""What a service says of its own state."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from pynomaly_contracts.base import Answer

CheckState = Literal["ok", "failed", "not_configured"]


class Checks(Answer):
    """The parts that a service stands on."""

    database: CheckState
    redis: CheckState = "not_configured"
    filesystem: CheckState


class Health(Answer):
    """Answer of GET /health: 200 when healthy, 503 otherwise."""

    status: Literal["healthy", "unhealthy"]
    timestamp: datetime
    version: str
    uptime_seconds: float
    loaded_models: int = 0
    active_connections: int
    memory_usage_mb: float
    checks: Checks


class Readiness(Answer):
    """Answer of GET /ready and /health/ready: 200 when ready, 503 otherwise. No peer is ever asked."""

    ready: bool
    dependencies: dict[str, bool]


class DatabaseHealth(Answer):
    """Answer of GET /health/db."""

    status: CheckState
    latency_ms: float | None = None
    connections_active: int
    connections_max: int
    schema_revision: str | None = None


class DependencyStatus(Answer):
    """A peer as this process has seen it: never asked for the sake of this answer."""

    dependency: str
    operation: str
    state: Literal["closed", "half_open", "open"]
    retry_after_s: float | None = None


class WorkerStatus(Answer):
    """A worker as it last told of itself."""

    name: str
    alive: bool = Field(description="Whether it was heard of in the last 30 s.")
    lanes: int = Field(description="How many jobs it works on at a time.")
    busy: int = Field(description="On how many it does.")
    started_at: datetime
    seen_at: datetime
    silent_s: float = Field(description="Since it was heard of, s.")


class Status(Answer):
    """Answer of GET /status: always 200; `degraded` while a circuit to a peer is not closed."""

    service: str
    version: str
    status: Literal["ok", "degraded", "unhealthy"]
    environment: str
    uptime_seconds: float
    database: DatabaseHealth
    dependencies: list[DependencyStatus] = Field(default=[])
    workers: list[WorkerStatus] | None = Field(
        default=None, description="Who works on this service's jobs; null where it has none, or cannot tell."
    )


class SuiteStatus(Status):
    """Answer of the gateway's GET /status: its own and, where they answer, everybody's."""

    services: dict[str, Status | None] = Field(default={}, description="null: the service did not answer.")
