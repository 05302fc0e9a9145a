"""Circuit breakers, deadlines and retries for asyncio."""

from pynomaly_resilience.breaker import CircuitBreaker, Permit
from pynomaly_resilience.call import Call, ResilientResponse
from pynomaly_resilience.deadline import (
    DEADLINE_HEADER,
    deadline_from_header,
    deadline_scope,
    deadline_to_header,
    remaining_s,
)
from pynomaly_resilience.errors import (
    AttemptTimeout,
    CallFailed,
    CircuitOpen,
    ConnectionLost,
    DeadlineExceeded,
    PeerUnreachable,
    PolicyError,
)
from pynomaly_resilience.events import BreakerEvent, BreakerState, CallEvent
from pynomaly_resilience.policies import BreakerPolicy, CallPolicy
from pynomaly_resilience.registry import BreakerRegistry, BreakerStatus
from pynomaly_resilience.session import ResilientSession

__all__ = [
    "DEADLINE_HEADER",
    "AttemptTimeout",
    "BreakerEvent",
    "BreakerPolicy",
    "BreakerRegistry",
    "BreakerState",
    "BreakerStatus",
    "Call",
    "CallEvent",
    "CallFailed",
    "CallPolicy",
    "CircuitBreaker",
    "CircuitOpen",
    "ConnectionLost",
    "DeadlineExceeded",
    "PeerUnreachable",
    "Permit",
    "PolicyError",
    "ResilientResponse",
    "ResilientSession",
    "deadline_from_header",
    "deadline_scope",
    "deadline_to_header",
    "remaining_s",
]
