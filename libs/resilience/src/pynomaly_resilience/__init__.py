"""Calls that end: deadlines, retries under a budget, circuit breakers, bulkheads and limits."""

from pynomaly_resilience.breaker import CircuitBreaker, Permit
from pynomaly_resilience.budget import RetryBudget
from pynomaly_resilience.bulkhead import Bulkhead
from pynomaly_resilience.call import Call
from pynomaly_resilience.deadline import (
    DEADLINE_HEADER,
    deadline_from_header,
    deadline_scope,
    deadline_to_header,
    remaining_s,
)
from pynomaly_resilience.errors import (
    AttemptTimeout,
    BulkheadFull,
    CallFailed,
    CircuitBreakerError,
    CircuitOpen,
    ConnectionLost,
    DeadlineExceeded,
    PeerUnreachable,
    PolicyError,
    RateLimited,
    attempts_of,
)
from pynomaly_resilience.events import Attempt, BreakerEvent, BreakerState, CallEvent
from pynomaly_resilience.guard import Guard, resilient
from pynomaly_resilience.policies import (
    BreakerPolicy,
    BulkheadPolicy,
    CallPolicy,
    HedgePolicy,
    RateLimit,
    RetryPolicy,
)
from pynomaly_resilience.presets import api_resilient, cache_resilient, database_resilient, ml_resilient
from pynomaly_resilience.ratelimit import RateLimiter
from pynomaly_resilience.registry import BreakerRegistry, BreakerStatus
from pynomaly_resilience.resilience import Resilience
from pynomaly_resilience.response import ResilientResponse
from pynomaly_resilience.session import ResilientSession
from pynomaly_resilience.settings import ResilienceSettings

__all__ = [
    "DEADLINE_HEADER",
    "Attempt",
    "AttemptTimeout",
    "BreakerEvent",
    "BreakerPolicy",
    "BreakerRegistry",
    "BreakerState",
    "BreakerStatus",
    "Bulkhead",
    "BulkheadFull",
    "BulkheadPolicy",
    "Call",
    "CallEvent",
    "CallFailed",
    "CallPolicy",
    "CircuitBreaker",
    "CircuitBreakerError",
    "CircuitOpen",
    "ConnectionLost",
    "DeadlineExceeded",
    "Guard",
    "HedgePolicy",
    "PeerUnreachable",
    "Permit",
    "PolicyError",
    "RateLimit",
    "RateLimited",
    "RateLimiter",
    "Resilience",
    "ResilienceSettings",
    "ResilientResponse",
    "ResilientSession",
    "RetryBudget",
    "RetryPolicy",
    "api_resilient",
    "attempts_of",
    "cache_resilient",
    "database_resilient",
    "deadline_from_header",
    "deadline_scope",
    "deadline_to_header",
    "ml_resilient",
    "remaining_s",
    "resilient",
]
