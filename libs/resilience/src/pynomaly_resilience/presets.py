"""The guards that functions mostly want, by what they call. Times in seconds.

                    timeout  attempts  pause      breaker: failures in a row, open interval
database_resilient  30       3         0.5 - 10   3   30
api_resilient       60       5         1 - 30     5   60
cache_resilient     5        2         0.1 - 1    3   15
ml_resilient        300      2         5 - 30     2   120
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, overload

from pynomaly_resilience.errors import PolicyError
from pynomaly_resilience.guard import Guard
from pynomaly_resilience.policies import BreakerPolicy, CallPolicy, RetryPolicy
from pynomaly_resilience.resilience import Resilience

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Preset:
    """A decorator with defaults, bare or with keywords.

    timeout_seconds: total deadline of a call, [0.1, 86400] s; what is tried more than once has an equal part
        of it for each attempt.
    max_attempts: tries including the first, [1, 10]. Only work that is said to be `idempotent` is tried more
        than once. name, operation: what the breaker is called; by default the preset's and the function's.
    """

    name: str
    timeout_seconds: float
    max_attempts: int
    retry: RetryPolicy
    breaker: BreakerPolicy

    @overload
    def __call__(self, work: Callable[P, R], /) -> Callable[P, R]: ...

    @overload
    def __call__(
        self,
        /,
        *,
        timeout_seconds: float | None = None,
        max_attempts: int | None = None,
        idempotent: bool = False,
        name: str | None = None,
        operation: str | None = None,
        resilience: Resilience | None = None,
    ) -> Guard: ...

    def __call__(
        self,
        work: Callable[..., Any] | None = None,
        /,
        *,
        timeout_seconds: float | None = None,
        max_attempts: int | None = None,
        idempotent: bool = False,
        name: str | None = None,
        operation: str | None = None,
        resilience: Resilience | None = None,
    ) -> Any:
        policy = self.policy(timeout_seconds, max_attempts, idempotent=idempotent)
        guard = Guard(name or self.name, operation, policy=policy, idempotent=idempotent, resilience=resilience)
        return guard if work is None else guard(work)

    def policy(
        self, timeout_seconds: float | None = None, max_attempts: int | None = None, *, idempotent: bool = False
    ) -> CallPolicy:
        """The policy that the keywords make. PolicyError names the keyword that is out of range."""
        timeout_s = self.timeout_seconds if timeout_seconds is None else timeout_seconds
        asked = self.max_attempts if max_attempts is None else max_attempts
        _check("timeout_seconds", timeout_s, float)
        _check("max_attempts", asked, int)
        attempts = asked if idempotent else 1
        return CallPolicy(
            attempt_timeout_s=timeout_s / attempts,
            total_timeout_s=timeout_s,
            attempts=attempts,
            retry=self.retry,
            breaker=self.breaker,
        )


def _check(keyword: str, value: object, kind: type) -> None:
    low, high = (1, 10) if kind is int else (0.1, 86_400.0)
    kinds = (int,) if kind is int else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool) or not low <= value <= high:
        raise PolicyError(keyword, value, f"{'an integer' if kind is int else 'a number'} in [{low}, {high}]")


def _preset(
    name: str, timeout_s: float, attempts: int, waits_s: tuple[float, float], breaker: tuple[int, float]
) -> Preset:
    n_failures, open_s = breaker
    rule = BreakerPolicy(
        failure_rate=None, consecutive_failures=n_failures, open_s=open_s, open_max_s=max(60.0, open_s), probes=1
    )
    retry = RetryPolicy(on="failure", wait_s=waits_s[0], wait_max_s=waits_s[1])
    return Preset(name, timeout_s, attempts, retry, rule)


database_resilient = _preset("database", 30.0, 3, (0.5, 10.0), (3, 30.0))
api_resilient = _preset("api", 60.0, 5, (1.0, 30.0), (5, 60.0))
cache_resilient = _preset("cache", 5.0, 2, (0.1, 1.0), (3, 15.0))
ml_resilient = _preset("ml", 300.0, 2, (5.0, 30.0), (2, 120.0))
